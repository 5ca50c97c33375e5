"""The formats that other people's generators come in, each in a module of its own with its reader.

To add one: write ``formats/<name>.py`` with a `ganvas.checkpoints.unbuilt.Reader`, and give it a line in `READERS`
with what it looks for, which the error for an unknown file lists.
"""

from ganvas.checkpoints.formats import dcgan, hammer, huggingface, numbered, nvidia, r3gan, stylegan3, tensorflow
from ganvas.checkpoints.unbuilt import Reader

READERS: tuple[tuple[Reader, str], ...] = (
    (nvidia.read_stylegan2, nvidia.LOOKED_FOR),
    (hammer.read_hammer, hammer.HAMMER_LOOKED_FOR),
    (hammer.read_genforce, hammer.GENFORCE_LOOKED_FOR),
    (numbered.read_rosinality, numbered.ROSINALITY_LOOKED_FOR),
    (numbered.read_openmmlab, numbered.OPENMMLAB_LOOKED_FOR),
    (tensorflow.read_stylegan2, tensorflow.LOOKED_FOR),
    (stylegan3.read_nvidia, stylegan3.LOOKED_FOR_NVIDIA),
    (stylegan3.read_hammer, stylegan3.LOOKED_FOR_HAMMER),
    (huggingface.read_biggan, "BigGAN-deep of Hugging Face (.bin): 'embeddings.weight' with 'generator.conv_to_rgb'"),
    (r3gan.read_r3gan, r3gan.LOOKED_FOR),
    (dcgan.read_dcgan, dcgan.LOOKED_FOR),
)

"""The formats that other people's generators come in, each in a module of its own with its reader.

To add one: write ``formats/<name>.py`` with a `ganvas.checkpoints.recognised.Reader`, and give it a line in `READERS`
with what it looks for, which the error for an unknown file lists.
"""

from ganvas.checkpoints.formats import dcgan, huggingface, nvidia
from ganvas.checkpoints.recognised import Reader

READERS: tuple[tuple[Reader, str], ...] = (
    (dcgan.read_dcgan, dcgan.LOOKED_FOR),
    (nvidia.read_stylegan2, "StyleGAN2 of NVIDIA (.pkl): 'G_ema' with 'synthesis.b4.const'"),
    (huggingface.read_biggan, "BigGAN-deep of Hugging Face (.bin): 'embeddings.weight' with 'generator.conv_to_rgb'"),
)

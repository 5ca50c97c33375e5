"""How alike an edited image and its original are: identity for people, perceptual distance for anything else."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.generators.protocol import Generator
from ganvas.images.faces import can_find_faces
from ganvas.latents.latent import sample
from ganvas.metrics.features import FeatureNetwork
from ganvas.metrics.identity import Distance, face_boxes, identity, perceptual

TRIED = 8  # images in which faces are looked for


@dataclass(frozen=True)
class Likeness:
    """The name of a distance, and the distance to a photo."""

    name: str
    to: Distance

    def measure(self, image: Float[Tensor, "1 3 h w"], photo: Float[Tensor, "1 3 h w"]) -> float:
        """Return the distance of an image to a photo."""
        return self.to(photo)(image)


def likeness(generator: Generator, network: FeatureNetwork) -> Likeness:
    """Return the distance of face descriptors where the extra ``align`` is installed and half of the generator's images
    show a face, else the perceptual distance in a feature network.
    """
    if can_find_faces():
        with torch.no_grad():
            images = torch.cat(list(sample(generator, range(TRIED), truncation=0.7).images(generator)))
        if sum(bool(face_boxes(image)) for image in images.split(1)) * 2 >= TRIED:
            return Likeness("distance of face descriptors (dlib)", identity())
    return Likeness("perceptual distance (Ganvas's own network)", perceptual(network))

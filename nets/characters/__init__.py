"""Images of printed characters, drawn from the outlines of fonts: independent samples in any number, without a file."""

from nets.characters.images import CHARACTERS, FACES, IMAGE_SIZE, printed_characters

__all__ = ["CHARACTERS", "FACES", "IMAGE_SIZE", "printed_characters"]

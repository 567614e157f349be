"""Limits of what importers take from a file, far beyond the networks of chips: a small file can state any size."""

MAX_RANK = 8  # dimensions of a tensor
NAME_MAX = 160  # characters of a tensor's name that are kept, or shown
# Dead filters have scales near 1e-10; anything far below or above is damage, or would leave the normal float32 range.
SCALE_MIN, SCALE_MAX = 2.0**-60, 2.0**40
ELEMENTS_MAX, ALL_ELEMENTS_MAX = 2**24, 2**29  # of one sample: of one tensor, and of all tensors together
PRODUCTS_MAX = 2**36  # of one operator; a hundred times those of a large image network
POSITIONS_MAX = 2**24  # that all rearranging operators of a file together hold

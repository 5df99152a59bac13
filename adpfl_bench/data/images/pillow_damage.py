"""What Pillow raises for files that are damaged in one way or another."""

import struct
import zlib

from PIL import Image

PILLOW_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, Image.DecompressionBombError)

"""The cutout on a canvas: cropped, scaled, placed, with a shadow, on a color or an image.

plan            what is asked for
layout          the sizes of source and subject -> the canvas, and the subject's place on it
backdrop        an image behind the cutout, reduced before the subject's image is decoded
shadow          the mask -> a soft shadow
solid           a layer whose subject is opaque inside
canvas          the cutout in its place, over its shadow and its background, strip by strip
archive         a canvas -> a ZIP of its color and its alpha
compose_image   the whole flow
"""

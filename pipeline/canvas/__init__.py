"""The cutout on a canvas: cropped, scaled, placed, with a shadow, on a color or an image.

    plan        what is asked for
    layout      the sizes of source and subject -> the canvas, and the subject's place on it
    backdrop    an image behind the cutout, reduced before the subject's image is decoded
    shadow      the mask -> a soft shadow
    layer       the cutout in its place, over its shadow and its background, strip by strip
    archive     the layer -> a ZIP of its color and its alpha
    compose     the whole flow
"""

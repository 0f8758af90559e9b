"""From optical density on the smear to the grey levels of a camera: light, lens, sensor, file.

Each step is a function of arrays; `photograph` runs them in the order in which light meets them.
"""

import cv2
import numpy as np

from alledge.phantom.parameters import PhantomParameters
from alledge.types import F32, U8

_FWHM_TO_SIGMA = 1 / 2.3548  # of a Gaussian
_OIL_INDEX = 1.515


def photograph(rng: np.random.Generator, density: F32, parameters: PhantomParameters) -> bytes:
    """The JPEG file of a smear whose optical density is (H, W, 3) float32, BGR."""
    light = np.exp(-density)
    light = _part_colours(_blur(light, parameters), parameters)
    light *= _lamp(parameters)
    return _jpeg(_sense(rng, light, parameters), parameters.jpeg_quality)


def blur_sigma_um(parameters: PhantomParameters) -> float:
    """Standard deviation of the point spread in um: resolution, widened by the cone of defocused light.

    A point out of focus by z spreads over a disc of radius z tan(asin(NA / n)); a disc of radius r has
    the standard deviation r / 2 along each axis.
    """
    sine = min(parameters.numerical_aperture / _OIL_INDEX, 0.99)
    disc_um = parameters.defocus_um * sine / np.sqrt(1 - sine**2)
    return float(np.hypot(parameters.resolution_um * _FWHM_TO_SIGMA, disc_um / 2))


def _blur(light: F32, parameters: PhantomParameters) -> F32:
    sigma_px = blur_sigma_um(parameters) / parameters.pixel_um
    if sigma_px < 0.2:
        return light
    return np.asarray(cv2.GaussianBlur(light, (0, 0), sigma_px, borderType=cv2.BORDER_REFLECT), np.float32)


def _part_colours(light: F32, parameters: PhantomParameters) -> F32:
    """Lateral colour of the objective: the red image a little larger than the blue one."""
    height, width = light.shape[:2]
    corner_um = np.hypot(parameters.width_um, parameters.height_um) / 2
    stretch = parameters.lateral_colour_um / corner_um
    if stretch < 1e-5:
        return light
    for channel, scale in ((0, 1 - stretch / 2), (2, 1 + stretch / 2)):
        centre = np.array([(width - 1) / 2, (height - 1) / 2])
        shift = centre * (1 - scale)
        matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
        plane = np.ascontiguousarray(light[..., channel])
        light[..., channel] = cv2.warpAffine(
            plane, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
        )
    return light


def _lamp(parameters: PhantomParameters) -> F32:
    """Grey levels of the empty smear: (H, W, 3), brightest near the centre."""
    y = np.linspace(-1, 1, parameters.height_px, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, parameters.width_px, dtype=np.float32)[None, :]
    tilt = np.deg2rad(parameters.lamp_tilt_deg)
    slope = (x * np.float32(np.cos(tilt)) + y * np.float32(np.sin(tilt))) / 2
    shade = (
        1 - np.float32(parameters.vignetting) * (x**2 + y**2) / 2 + np.float32(parameters.lamp_tilt) * slope
    )
    levels = (parameters.lamp_blue_level, parameters.lamp_green_level, parameters.lamp_red_level)
    colour = np.array(levels, np.float32) * np.float32(parameters.exposure)
    return np.asarray(np.maximum(shade, 0)[..., None] * colour, np.float32)


def _sense(rng: np.random.Generator, light: F32, parameters: PhantomParameters) -> U8:
    """Shot noise grows with the root of the light, read noise is always there, the sensor saturates."""
    deviation = light * np.float32(parameters.shot_noise**2 / 255)
    deviation += np.float32(parameters.read_noise**2)
    np.sqrt(deviation, out=deviation)
    noisy = rng.standard_normal(light.shape, dtype=np.float32)
    noisy *= deviation
    noisy += light
    return np.asarray(cv2.convertScaleAbs(np.maximum(noisy, 0, out=noisy)), np.uint8)


def _jpeg(pixels: U8, quality: int) -> bytes:
    # OpenCV encodes any 8-bit colour image to memory, so its success flag can only be true here.
    return bytes(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1])


def developed(jpeg: bytes) -> U8:
    """The pixels of a JPEG file: (H, W, 3) uint8, BGR."""
    return np.asarray(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR), np.uint8)

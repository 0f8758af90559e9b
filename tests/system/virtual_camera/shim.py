"""Runs inside the root: the unmodified picamera2 on a camera without display, dma-heap or raw modes.

Three replacements, each for something that only hardware has: pykms (display), the dma-heap (memfd instead,
with NV12's two planes), and the raw modes that a sensor lists.
"""

import fcntl  # noqa: F401 - picamera2's allocator expects it loaded
import os
import sys
import types

display = types.ModuleType("pykms")
display.PixelFormat = type("PixelFormat", (type,), {"__getattr__": lambda cls, name: name})("P", (), {})
display.PlaneType = display.PixelFormat
sys.modules["pykms"] = display

import libcamera  # noqa: E402
import picamera2  # noqa: E402
import picamera2.allocators.dmaallocator as allocator  # noqa: E402
import picamera2.dma_heap as heap  # noqa: E402


class MemfdHeap:
    """Gives nameless memory where a Pi gives memory that its image processor can reach."""

    isValid = True  # noqa: N815 - the library's name

    def alloc(self, name, size):
        handle = os.memfd_create(name, os.MFD_CLOEXEC)
        os.ftruncate(handle, size)
        return heap.UniqueFD(handle)

    def close(self):
        pass


class NoSync(allocator.DmaAllocator.DmaSync):
    """Plain memory needs no synchronisation."""

    def __enter__(self):
        return self.get_buffer()

    def __exit__(self, *_):
        pass


class PlanarAllocator(allocator.DmaAllocator):
    """Tells libcamera where the second plane of NV12 begins."""

    def allocate(self, configuration, use_case):
        real = libcamera.FrameBuffer
        told = iter([(c.size, str(c.pixel_format)) for c in configuration for _ in range(c.buffer_count)])

        def planar(planes):
            size, name = next(told)
            if name == "NV12":
                chroma = real.Plane()
                chroma.fd, chroma.offset = planes[0].fd, size.width * size.height
                chroma.length = size.width * size.height // 2
                planes[0].length = size.width * size.height
                planes = [planes[0], chroma]
            return real(planes)

        planar.Plane = real.Plane
        allocator.libcamera = types.SimpleNamespace(FrameBuffer=planar)
        try:
            super().allocate(configuration, use_case)
        finally:
            allocator.libcamera = libcamera


allocator.DmaHeap = MemfdHeap
allocator.DmaAllocator.DmaSync = NoSync


class VirtualPicamera2(picamera2.Picamera2):
    """The library's class, with that memory."""

    def __init__(self, index=0):
        super().__init__(index, allocator=PlanarAllocator())

    def _get_raw_modes(self):
        wanted = self.camera.generate_configuration([libcamera.StreamRole.Viewfinder]).at(0)
        return [{"format": "NV12", "size": (wanted.size.width, wanted.size.height)}]

    @property
    def sensor_modes(self):
        """A virtual camera has no raw stream to ask for modes."""
        return [{"format": "NV12"}]


REAL_CLASS = picamera2.Picamera2
picamera2.Picamera2 = VirtualPicamera2

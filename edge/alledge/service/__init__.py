"""The service behind `alledge run`: a camera's process, a ring of frames, one loop, one ledger.

    camera_child -> ring -> loop: guard -> stillness -> pixel path -> slide -> journal -> status, watchdog

`camera_keeper` replaces a camera that misbehaves, `result_store` keeps results while the disk cannot take
them, `troubles` says what is wrong now, and `watchdog` tells systemd that work gets done, or why none is.
"""

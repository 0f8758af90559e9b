"""Everything that can go wrong on a microscope, made to go wrong on purpose.

`pixels` spoils pictures, `camera` wraps any frame source, `network` any classifier, `storage` any journal and
`clocks` the clock; `simulation` runs the real loop of the service against them on a clock of its own, and
`table` lists the faults with the code that each must be told by. `faulty:` is also a camera SPEC
(`faulty:hang,after=5|phantom:seed=1`), so that anybody can try them on the device that they built.
"""

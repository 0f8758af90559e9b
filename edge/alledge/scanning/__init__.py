"""An archive of images on all cores: exactly once each, in order, whatever is killed on the way.

    images -> settings -> working file <- in order <- workers (one process a core, one image each)
                               |
                               +-> results file, whole, in one step; or, of a shard, what `merge` joins

`alledge.scan` puts these together. Every module here holds one of them.
"""

"""The page where a person looks: live view, gallery, review, sign-off, report, in any browser on the bench.

A process of its own. It reads the journal, writes only persons' words into it, asks the service through its
control socket and takes the picture from a file in the runtime folder: whatever happens here, counting goes
on.

    bounded (connections) -> gate (host, origin, size, headers) -> sessions (who, role) -> api_* and views

`workroom` holds what all requests share, `live` shows the field to any number of viewers for one encoding,
`assets` serves the few static files from memory. Nothing comes from another host.
"""

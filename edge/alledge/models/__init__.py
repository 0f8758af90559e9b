"""Models that came signed: fetched aside, proven, switched to in one step, and left again when they fail.

    trust -> fetching -> tuf_client -> release -> examining -> store: installing | serving

Signatures, thresholds, expiry, rollback, freeze and mix-and-match protection are The Update Framework's
(python-tuf), met in `tuf_client` and `fetching` only. What is ours: what a release says about a model
(`release`), whether the file keeps that word on this device (`examining`), which file serves (`state`,
`store`), and the first minutes of a new one (`serving`). The service needs `serving` alone, without tuf.
"""

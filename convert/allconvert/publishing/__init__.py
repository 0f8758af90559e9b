"""A repository of signed models for The Update Framework: made, added to, renewed, its keys changed.

    REPO/metadata/1.root.json ... N.snapshot.json, N.targets.json, timestamp.json
    REPO/targets/SHA256.NAME.vN.tflite

Static files: any web server, bucket or USB stick carries them. `keys` holds private keys in files with a
passphrase, `repository` builds and signs, `publish` examines a model before a signature is put under it.
"""

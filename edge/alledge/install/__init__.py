"""`alledge install-service`: what makes a Pi an appliance, and its undo.

`units/` are the files of the repository's systemd folder; `files` says where each goes, `service` puts them
there, tells systemd, and takes them away again.
"""

from alledge.install.service import install_service, uninstall_service

__all__ = ["install_service", "uninstall_service"]

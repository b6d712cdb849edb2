"""Static files, held in memory, under addresses that name their content: browsers may keep them for ever."""

import gzip
import mimetypes
from hashlib import sha256
from importlib import resources
from importlib.resources.abc import Traversable

from fastapi import APIRouter, Request, Response

from onsale.kit.http import takes_gzip
from onsale.kit.problems import NotFound

# Who checks links, or whether we are there, asks with HEAD; the framework does not add it by itself.
READ = ["GET", "HEAD"]

_COMPRESSED = ("text/", "application/json", "image/svg")
_TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


class Statics:
    """All files below `static/`. One hash over the whole tree is part of every address, so that modules and pictures
    that name each other by relative addresses always come from one version.
    """

    def __init__(self) -> None:
        self._files: dict[str, tuple[bytes, str]] = {}
        self._gzipped: dict[str, bytes] = {}
        _collect(resources.files(__package__).joinpath("static"), "", self._files)
        tree = sha256()
        for path, (content, media_type) in sorted(self._files.items()):
            tree.update(path.encode() + b"\0" + content)
            if media_type.startswith(_COMPRESSED):
                self._gzipped[path] = gzip.compress(content, 9)
        self.version = tree.hexdigest()[:16]

    def address(self, path: str) -> str:
        """The address of a file. A page that names a missing file is a bug, found when it is rendered."""
        assert path in self._files, f"there is no static file {path}"
        return f"/static/{self.version}/{path}"

    def router(self) -> APIRouter:
        routes = APIRouter(include_in_schema=False)

        @routes.api_route("/static/{version}/{path:path}", methods=READ)
        async def static_file(version: str, path: str, request: Request) -> Response:
            if path not in self._files:
                raise NotFound
            content, media_type = self._files[path]
            # An older page may ask for an older version: it gets today's file, which nobody may keep under that name.
            kept = "public, max-age=31536000, immutable" if version == self.version else "no-store"
            headers = {"cache-control": kept, "vary": "accept-encoding"}
            if path in self._gzipped and takes_gzip(request.headers.get("accept-encoding", "")):
                return Response(self._gzipped[path], 200, {**headers, "content-encoding": "gzip"}, media_type)
            return Response(content, 200, headers, media_type)

        @routes.api_route("/favicon.ico", methods=READ)
        async def favicon() -> Response:
            content, media_type = self._files["brand/mark.svg"]
            return Response(content, 200, {"cache-control": "public, max-age=86400"}, media_type)

        return routes


def _collect(folder: Traversable, prefix: str, files: dict[str, tuple[bytes, str]]) -> None:
    for entry in folder.iterdir():
        path = f"{prefix}{entry.name}"
        if entry.is_dir():
            _collect(entry, f"{path}/", files)
        else:
            ending = entry.name[entry.name.rfind(".") :]
            guessed = _TYPES.get(ending) or mimetypes.guess_type(entry.name)[0] or "application/octet-stream"
            files[path] = (entry.read_bytes(), guessed)

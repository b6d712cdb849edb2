"""The outermost layer of a web process: hot endpoints first, all else to the web framework behind.

Here is what every request and answer has in common: security headers, cross-site refusal, errors as problems, counts.
"""

import contextlib
from collections.abc import Sequence
from functools import lru_cache

from onsale import limits
from onsale.kit import asgi, clock, heads, ids, problems, sockets, telemetry
from onsale.kit.moderation import Moderation
from onsale.kit.problems import Problem
from onsale.kit.tally import Tally

http_requests = telemetry.counter(
    "onsale_http_requests_total", "Answers sent, by hot route (or `other`) and status.", ["route", "status"]
)
http_latency = telemetry.histogram(
    "onsale_http_latency_seconds", "From request to answer, by hot route (or `other`).", ["route"]
)

_POLICY = (
    b"default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    b"frame-ancestors 'self'"
)
# No script, style, picture or connection that is not our own; nobody may put us in a frame.
SECURITY_HEADERS = (
    (b"content-security-policy", _POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
)

# The route of everything that is not hot, where requests are counted.
OTHER = "other"

SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS"))


class Front:
    """ASGI. `hot` is asked first, `rest` gets what it does not know, and the lifespan; `live` has the WebSockets."""

    def __init__(
        self,
        hot: asgi.Router[asgi.Endpoint],
        rest: asgi.App,
        live: Sequence[tuple[str, str, sockets.Endpoint]] = (),
    ) -> None:
        self._hot = hot
        self._rest = rest
        self._live = asgi.Router(live)
        self._under_way = 0
        self._tally = Tally(http_requests, http_latency)
        self._moderation = Moderation()

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        if scope["type"] == "lifespan":
            await self._rest(scope, receive, send)
            self._tally.write_down()
            return
        if scope["type"] == "websocket":
            await self._open(scope, receive, _with_security_headers(send))
            return
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        if is_cross_site(scope):
            await _send(asgi.problem(problems.CrossSite()), scope, send)
            return
        found = self._hot.find(method, scope["path"])
        if found is not None:
            endpoint, path = found
            await self._answer(endpoint, asgi.Request(scope, receive, path), send)
        elif allowed := self._hot.methods(scope["path"]):
            await _send(asgi.problem(_not_allowed(allowed)), scope, send)
        elif declared_length(scope) > limits.BODY_MAX_BYTES:
            await _send(asgi.problem(problems.TooLarge()), scope, send)
        else:
            await self._pass_on(scope, receive, _with_security_headers(send))

    async def _open(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        """A WebSocket, for as long as it is open. No endpoint reads a cookie, so any site's page may open one."""
        opening = await receive()
        assert opening["type"] == "websocket.connect", opening
        endpoint, path = self._live.find("GET", scope["path"]) or (_nowhere, {})
        route = getattr(endpoint, "__name__", "live")
        socket = sockets.Socket(asgi.Request(scope, receive, path), send)
        status = 101
        with contextlib.suppress(sockets.Gone):
            try:
                await endpoint(socket)
            except Problem as problem:
                status = problem.status
                await socket.refuse(problem)
            except sockets.Gone:
                pass
            except Exception as error:  # noqa: BLE001 - a bug must become an answer, not a dropped connection
                status = problems.InternalError.status
                await socket.refuse(unexpected(error, scope["path"]))
        http_requests.labels(route, status).inc()

    async def _pass_on(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        began_s = clock.monotonic()
        passed = _Passed(scope, receive, send)
        self._tally.write_down()  # It may be the metrics that are asked for.
        # The framework answers and logs what was raised, and then raises it once more.
        with contextlib.suppress(Exception):
            await self._rest(passed.scope, passed.receive, passed.send)
        if passed.status:
            self._tally.count(OTHER, passed.status, clock.monotonic() - began_s)

    async def _answer(self, endpoint: asgi.Endpoint, request: asgi.Request, send: asgi.Send) -> None:
        route = getattr(endpoint, "__name__", "hot")
        began_s = clock.monotonic()
        self._under_way += 1
        self._moderation.came()
        try:
            if self._under_way > limits.HOT_REQUESTS_UNDER_WAY_MAX:
                raise problems.Overloaded
            answer = await endpoint(request)
        except Problem as problem:
            answer = asgi.problem(problem)
        except Exception as error:  # noqa: BLE001 - a bug must become an answer, not a dropped connection
            answer = asgi.problem(unexpected(error, request.scope["path"]))
        finally:
            self._under_way -= 1
        self._tally.count(route, answer.status, clock.monotonic() - began_s)
        await _send(answer, request.scope, send)


async def _nowhere(socket: sockets.Socket) -> None:
    raise problems.NotFound


_nowhere.__name__ = OTHER


def unexpected(error: Exception, path: str) -> Problem:
    """A bug: logged with a reference that the answer carries, and nothing else of it shown."""
    reference = ids.new_uuid().hex[:12]
    telemetry.log.error("unexpected_error", path=path, reference=reference, error=repr(error), exc_info=error)
    return problems.InternalError("Something went wrong on our side; nothing was lost", reference=reference)


def is_cross_site(scope: asgi.Scope) -> bool:
    """Whether another site's page makes this browser write with our cookie.

    Browsers say so themselves (Fetch metadata), or name the page's origin. A bearer token is no cookie: who sends one
    means it. What is no browser sends neither header, and has no cookie of somebody else's.
    """
    if scope["method"] in SAFE_METHODS:
        return False
    headers = {key: value for key, value in scope["headers"] if key in _ORIGIN_HEADERS}
    if headers.get(b"authorization", b"").startswith(b"Bearer "):
        return False
    if (site := headers.get(b"sec-fetch-site")) is not None:
        return site not in (b"same-origin", b"none")
    origin, host = headers.get(b"origin"), headers.get(b"host")
    # Compared as text: whatever stands in Origin can be compared, but not everything can be parsed.
    return origin is not None and (not host or origin.partition(b"://")[2] != host)


def declared_length(scope: asgi.Scope) -> int:
    """The body's length as the request declares it, in bytes; 0 when it does not, or not as a number."""
    for key, value in scope["headers"]:
        if key == b"content-length":
            return int(value) if value.isdigit() else 0
    return 0


class _Passed:
    """A request on its way through the framework: its body bounded, HEAD as GET, and the status of its answer kept."""

    def __init__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        # Whatever can be read can be asked about (RFC 9110, 9.3.2); the framework's routes know GET alone.
        self._bodiless = scope["method"] == "HEAD"
        self.scope = {**scope, "method": "GET"} if self._bodiless else scope
        self.status = 0
        self._receive = receive
        self._send = send
        self._read_bytes = 0
        self._refused = False

    async def receive(self) -> asgi.Scope:
        """The same body, until it is longer than any may be: then the rest of it is not read."""
        message = await self._receive()
        self._read_bytes += len(message.get("body", b""))
        if self._read_bytes > limits.BODY_MAX_BYTES:
            raise problems.TooLarge
        return message

    async def send(self, message: asgi.Scope) -> None:
        if self._refused:
            return
        if message["type"] == "http.response.start":
            # The framework takes whatever reading a body raises for a body that is malformed.
            if self._read_bytes > limits.BODY_MAX_BYTES:
                self._refused = True
                self.status = problems.TooLarge.status
                await asgi.send(asgi.problem(problems.TooLarge()), self.scope, self._send)
                return
            self.status = message["status"]
        elif self._bodiless:
            message = {**message, "body": b""}
        await self._send(message)


_ORIGIN_HEADERS = frozenset((b"authorization", b"sec-fetch-site", b"origin", b"host"))


def _not_allowed(allowed: set[str]) -> Problem:
    return problems.MethodNotAllowed(f"This address knows {', '.join(sorted(allowed))}", allowed=sorted(allowed))


async def _send(answer: asgi.Answer, scope: asgi.Scope, send: asgi.Send) -> None:
    """An answer of ours, none of which sets a header of SECURITY_HEADERS itself."""
    if scope["method"] != "HEAD" and answer.status not in asgi.LENGTHLESS_STATUSES:
        head = b"%bcontent-length: %d\r\n" % (_head(answer.headers), len(answer.body))
        if heads.answer_whole(send, answer.status, head, answer.body):
            return
    await asgi.send(answer, scope, send, SECURITY_HEADERS)


@lru_cache(maxsize=256)
def _head(own: tuple[tuple[str, str], ...]) -> bytes:
    """Header lines of an answer and of every answer. Few answers differ in them: only those with an ETag pass by."""
    lines = "".join([f"{name}: {value}\r\n" for name, value in own]).encode("latin-1")
    return lines + b"".join([b"%b: %b\r\n" % pair for pair in SECURITY_HEADERS])


_ANSWERS = frozenset(("http.response.start", "websocket.http.response.start"))


def _with_security_headers(send: asgi.Send) -> asgi.Send:
    async def sending(message: asgi.Scope) -> None:
        if message["type"] in _ANSWERS:
            own = {key for key, _ in message["headers"]}
            message["headers"] = [*message["headers"], *(pair for pair in SECURITY_HEADERS if pair[0] not in own)]
        await send(message)

    return sending

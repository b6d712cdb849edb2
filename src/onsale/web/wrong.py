"""Every error of the ordinary endpoints as an answer: problem details for programs, a kind page for people."""

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from onsale.kit import front, problems
from onsale.kit.problems import Problem
from onsale.web.rendering import Pages

_BY_STATUS: dict[int, type[Problem]] = {
    400: problems.Malformed,
    404: problems.NotFound,
    405: problems.MethodNotAllowed,
    413: problems.TooLarge,
    415: problems.WrongType,
}


def install_error_pages(app: FastAPI, pages: Pages) -> None:
    def tell(request: Request, problem: Problem) -> Response:
        headers = dict(problems.headers(problem))
        if not _wants_page(request):
            return Response(problems.encode(problem), problem.status, headers)
        page = pages.render(
            request,
            "error.html",
            problem.status,
            title=problem.title,
            detail=problem.detail,
            code=problem.code,
            reference=problem.extra.get("reference"),
        )
        if "retry-after" in headers:
            page.headers["retry-after"] = headers["retry-after"]
        return page

    @app.exception_handler(Problem)
    async def refused(request: Request, error: Problem) -> Response:
        return tell(request, error)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        return tell(request, _invalid(error))

    @app.exception_handler(HTTPException)
    async def other(request: Request, error: HTTPException) -> Response:
        return tell(request, _BY_STATUS.get(error.status_code, problems.InternalError)())

    @app.exception_handler(Exception)
    async def bug(request: Request, error: Exception) -> Response:
        return tell(request, front.unexpected(error, request.url.path))


def _wants_page(request: Request) -> bool:
    return not request.url.path.startswith("/api/") and "text/html" in request.headers.get("accept", "")


def _invalid(error: RequestValidationError) -> Problem:
    """What is wrong, and where; never the value itself, which may be a secret or huge."""
    found = [
        {"where": ".".join(str(part) for part in one["loc"]), "what": str(one["msg"])[:200]}
        for one in error.errors()[:10]
    ]
    if any(one["type"] == "json_invalid" for one in error.errors()):
        return problems.Malformed("The body is not JSON")
    first = found[0] if found else {"where": "request", "what": "not valid"}
    return problems.Invalid(f"{first['where']}: {first['what']}", errors=found)

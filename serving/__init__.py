"""HTTP around the pipeline: admission, deadlines, limits, errors, one log line per request.

    middleware.py       starts the lifecycle of each request, writes its log line
    lifecycle.py        one request from first byte to last; owns its deadline and its end
    end_reasons.py      why a request may end early: response, log line and metric of each reason
    request_body.py     reads the body within limits, then detects that the client disconnects
    response_sender.py  sends the response in parts, replaces BentoML's bare errors
    admission.py        the queue, the executor, draining
    memory_budget.py    bounds the bytes of sources and responses
    early_refusal.py    refuses requests to a full queue before BentoML spends time on them
    api_keys.py         checks API keys
    parsing.py          request body -> image or URL, and options
    respond.py          one request's way to its result; every error becomes a response there
    responses.py        cutout or error -> response
    errors.py           the errors that only HTTP knows
    removebg/           remove.bg's API, over the same admission, limits and pipeline
    openapi.py          completes BentoML's OpenAPI document
    openapi_parts.py    what the descriptions of all routes have in common
    static.py           serves the page at / and the API documentation at /docs
    settings.py         environment variables, typed and validated
    project.py          name and version, from pyproject.toml
    runtime.py          what the requests of one worker share
    startup.py          checks before any worker starts
    metrics.py  tracing.py  logging.py

A request passes through `middleware`, `lifecycle.run` and BentoML's routes to a method of
`service.py`. That calls `lifecycle.admit`. `respond` reads the body with `parsing`, waits for the
turn in `admission` and runs the pipeline; `responses` builds the response, which `response_sender`
sends.

Private APIs of BentoML, Starlette and uvicorn are used in `compat` only.
"""

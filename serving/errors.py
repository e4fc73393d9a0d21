"""Errors that only HTTP knows: what can be wrong with a request, apart from its image.

BackgroundRemovalError
├── InvalidRequest          invalid_request
├── Unauthorized            unauthorized
├── InvalidSignature        invalid_signature
├── ExpiredSignature        expired_signature
├── NotFound                not_found
├── MethodNotAllowed        method_not_allowed
├── RequestTooLarge         request_too_large
├── UnsupportedMediaType    unsupported_media_type
├── Busy                    busy
├── InternalError           internal_error
└── ShuttingDown            shutting_down
"""

from pipeline.errors import BackgroundRemovalError


class InvalidRequest(BackgroundRemovalError):
    code = "invalid_request"
    message = "The request is invalid; see the documentation of the options."


class Unauthorized(BackgroundRemovalError):
    code = "unauthorized"
    message = "Send a valid API key in X-Api-Key, or as Authorization: Bearer."


class InvalidSignature(BackgroundRemovalError):
    code = "invalid_signature"
    message = "The link is not signed with a valid key, or was changed after it was signed."


class ExpiredSignature(BackgroundRemovalError):
    code = "expired_signature"
    message = "The link has expired; ask its owner for a new one."


class NotFound(BackgroundRemovalError):
    code = "not_found"
    message = "This path does not exist; POST to /remove-background or /remove-background/upload."


class MethodNotAllowed(BackgroundRemovalError):
    code = "method_not_allowed"
    message = "This path does not support this method; the Allow header lists those it supports."


class RequestTooLarge(BackgroundRemovalError):
    code = "request_too_large"
    message = "The request body is too large; send a smaller one."


class UnsupportedMediaType(BackgroundRemovalError):
    code = "unsupported_media_type"
    message = "This path does not accept the request's content type."


class Busy(BackgroundRemovalError):
    code = "busy"
    message = "The service is busy; retry shortly."


class InternalError(BackgroundRemovalError):
    code = "internal_error"
    message = "The service failed on this request; the log has the details under the request's id."


class ShuttingDown(BackgroundRemovalError):
    code = "shutting_down"
    message = "The service is shutting down; retry the request."

//! kube's client on an [`ApiServer`](crate::api::ApiServer) instead of a socket.

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use kube::client::Body;
use tower::BoxError;

use crate::api::Answer;

/// A body as kube's client reads it.
pub type ReplyBody = UnsyncBoxBody<Bytes, BoxError>;

/// A request with its whole body.
pub async fn whole(request: Request<Body>) -> Result<Request<Bytes>, BoxError> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    Ok(Request::from_parts(parts, body))
}

/// An answer as it stands, nothing in between.
pub fn reply(answer: Answer) -> Response<ReplyBody> {
    match answer {
        Answer::Whole(response) => complete(response),
        Answer::Watch(lines) => streaming(lines.map(Ok)),
    }
}

/// An answer that is all there.
pub fn complete(response: Response<Bytes>) -> Response<ReplyBody> {
    response.map(|body| {
        Full::new(body)
            .map_err(|never| match never {})
            .boxed_unsync()
    })
}

/// An answer that goes on.
pub fn streaming(
    lines: impl Stream<Item = Result<Bytes, BoxError>> + Send + 'static,
) -> Response<ReplyBody> {
    let frames = lines.map(|line| line.map(Frame::data));
    Response::new(StreamBody::new(frames).boxed_unsync())
}

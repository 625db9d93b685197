//! The page: files that are part of this program. Nothing is built and nothing comes from elsewhere.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rust_embed::RustEmbed;
use std::fmt::Write;

#[derive(RustEmbed)]
#[folder = "web/"]
#[exclude = "tests/*"]
#[exclude = "*.md"]
#[exclude = "jsconfig.json"]
#[exclude = "package.json"]
#[exclude = "*.d.ts"]
struct Files;

/// Paths that the page draws itself.
const VIEWS: &[&str] = &[
    "/",
    "/login",
    "/miners",
    "/miners/{id}",
    "/racks",
    "/scan",
    "/plans",
    "/plans/{id}",
    "/alerts",
    "/log",
    "/audit",
    "/settings",
];

/// What a page may do. Scripts and styles come from here alone, and none is written into a page.
pub(crate) const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src 'self' data:; font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; \
    frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types lit-html";

pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    VIEWS
        .iter()
        .fold(Router::new(), |router, path| router.route(path, get(index)))
        .route("/assets/{*path}", get(file))
        .route("/favicon.ico", get(|| async { (StatusCode::NOT_FOUND, "") }))
}

async fn index(headers: HeaderMap) -> Response {
    answer("index.html", &headers)
}

async fn file(uri: Uri, headers: HeaderMap) -> Response {
    answer(uri.path().trim_start_matches("/assets/"), &headers)
}

fn answer(path: &str, headers: &HeaderMap) -> Response {
    let Some(file) = Files::get(path) else {
        return crate::api::Problem::missing("there is no such file").into_response();
    };
    let hash = file.metadata.sha256_hash();
    let tag = hash.iter().take(12).fold(String::from("\""), |mut tag, byte| {
        // Writing to a text cannot fail.
        let _ = write!(tag, "{byte:02x}");
        tag
    }) + "\"";
    let is_known = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|known| known.split(',').any(|one| one.trim().trim_start_matches("W/") == tag));
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Response::new(Body::from(file.data))
    };
    let out = response.headers_mut();
    out.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(path)));
    // Asked for anew each time, and answered with nothing while it is the same: a new version is seen at once.
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        out.insert(header::ETAG, tag);
    }
    response
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, ending)| ending) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("json" | "webmanifest") => "application/json",
        Some("woff2") => "font/woff2",
        Some("png") => "image/png",
        _ => "text/plain; charset=utf-8",
    }
}

//! Who asks, by the cookie of a browser or the token of a program, and whether they may.

use super::{Api, Problem};
use crate::accounts::{Role, Who};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use std::net::IpAddr;

/// The cookie's name.
pub(crate) const COOKIE: &str = "bitlink_session";
/// The header that a page of another site cannot send.
pub(crate) const CSRF: &str = "x-csrf-token";

/// Somebody who may read.
#[derive(Debug)]
pub(crate) struct Viewer(#[allow(dead_code, reason = "that there is one is what counts")] pub(crate) Who);

/// Somebody who may command.
#[derive(Debug)]
pub(crate) struct Operator(pub(crate) Who);

/// Somebody who may decide who may what.
#[derive(Debug)]
pub(crate) struct Admin(pub(crate) Who);

impl FromRequestParts<Api> for Viewer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        known(parts, api, Role::Viewer).map(Self)
    }
}

impl FromRequestParts<Api> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        known(parts, api, Role::Operator).map(Self)
    }
}

impl FromRequestParts<Api> for Admin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        known(parts, api, Role::Admin).map(Self)
    }
}

fn known(parts: &Parts, api: &Api, needed: Role) -> Result<Who, Problem> {
    let who = who(&parts.headers, api).ok_or_else(Problem::nobody)?;
    let changes = !matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS);
    if changes && !who.proves(&parts.headers) {
        return Err(Problem::forbidden("the header X-CSRF-Token of this session is missing or wrong"));
    }
    if who.who.role < needed {
        let role = who.who.role;
        return Err(Problem::forbidden(format!("this is for an {needed}, and {role} is what you are")));
    }
    Ok(who.who)
}

/// Somebody, and how they have shown it.
pub(crate) struct Shown {
    pub(crate) who: Who,
    /// The word that goes with a cookie. A token needs none: no browser sends it by itself.
    pub(crate) csrf: Option<String>,
}

impl Shown {
    fn proves(&self, headers: &HeaderMap) -> bool {
        let Some(csrf) = &self.csrf else { return true };
        let given = headers.get(CSRF).and_then(|value| value.to_str().ok());
        given.is_some_and(|given| crate::secret::is_same(given, csrf))
    }
}

/// Whose request this is, if anybody's.
pub(crate) fn who(headers: &HeaderMap, api: &Api) -> Option<Shown> {
    if let Some(token) = bearer(headers) {
        return api.accounts().by_token(token).map(|who| Shown { who, csrf: None });
    }
    if api.accounts().is_demo() {
        let who = Who { name: "demo".to_owned(), role: Role::Admin };
        return Some(Shown { who, csrf: Some(api.demo_csrf().to_owned()) });
    }
    let (who, csrf) = api.accounts().by_cookie(cookie(headers)?)?;
    Some(Shown { who, csrf: Some(csrf) })
}

pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// The session's cookie.
pub(crate) fn cookie(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(name, value)| (name == COOKIE).then_some(value))
}

/// From where a request came, where that is known.
#[derive(Debug, Clone, Copy)]
pub(crate) struct From(pub(crate) Option<IpAddr>);

impl<S: Send + Sync> FromRequestParts<S> for From {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(crate::tls::peer(&parts.extensions).map(|at| at.ip())))
    }
}

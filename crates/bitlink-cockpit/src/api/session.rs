//! Signing in and out, and the first admin.

use super::problem::Body;
use super::who::{self, From, Viewer};
use super::{Api, Problem};
use crate::accounts::{AccountError, LoginError, Role, SignedIn};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(session, sign_in, sign_out))
        .routes(routes!(set_up))
        .routes(routes!(password))
}

/// Who is signed in.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Session {
    /// `null`: nobody.
    user: Option<SignedInUser>,
    /// What `X-CSRF-Token` must be for everything that changes something.
    csrf: Option<String>,
    /// Whether there is no user yet, and the first one can be made with the word that the service printed when it started.
    setup: bool,
    /// Whether this is a made-up fleet.
    demo: bool,
    version: &'static str,
}

#[derive(Debug, Serialize, ToSchema)]
struct SignedInUser {
    name: String,
    role: Role,
}

impl Session {
    fn of(api: &Api, shown: Option<who::Shown>) -> Self {
        let (user, csrf) = match shown {
            Some(who::Shown { who, csrf }) => (Some(SignedInUser { name: who.name, role: who.role }), csrf),
            None => (None, None),
        };
        let accounts = api.accounts();
        let setup = accounts.first_run_word().is_some();
        Self { user, csrf, setup, demo: accounts.is_demo(), version: api.version() }
    }
}

/// Who is signed in; answers whoever asks
#[utoipa::path(get, path = "/session", tag = "session", responses((status = 200, body = Session)))]
async fn session(State(api): State<Api>, headers: HeaderMap) -> axum::Json<Session> {
    let shown = who::who(&headers, &api);
    axum::Json(Session::of(&api, shown))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Login {
    name: String,
    password: String,
}

/// Sign in with a browser; sets the cookie `bitlink_session`
#[utoipa::path(post, path = "/session", tag = "session", request_body = Login,
    responses((status = 200, body = Session), (status = 401, body = Problem), (status = 429, body = Problem)))]
async fn sign_in(State(api): State<Api>, from: From, Body(login): Body<Login>) -> Result<Response, Problem> {
    let signed_in = api
        .accounts()
        .sign_in(from.0, &login.name, &login.password)
        .await
        .map_err(|error| refused(&error))?;
    tracing::info!(user = signed_in.who.name, from = from.0.map(tracing::field::display), "signed in");
    Ok(welcome(&api, signed_in))
}

/// Sign out
#[utoipa::path(delete, path = "/session", tag = "session", responses((status = 204), (status = 401, body = Problem)))]
async fn sign_out(State(api): State<Api>, _: Viewer, headers: HeaderMap) -> Response {
    if let Some(cookie) = who::cookie(&headers) {
        api.accounts().sign_out(cookie);
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    set_cookie(&mut response, &api, "", Some(0));
    response
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SetUp {
    /// The word that the service printed when it started.
    token: String,
    name: String,
    password: String,
}

/// Make the first admin, and sign in
#[utoipa::path(post, path = "/setup", tag = "session", request_body = SetUp,
    responses((status = 200, body = Session), (status = 401, body = Problem), (status = 409, body = Problem),
              (status = 422, body = Problem), (status = 429, body = Problem)))]
async fn set_up(State(api): State<Api>, from: From, Body(wish): Body<SetUp>) -> Result<Response, Problem> {
    if api.accounts().first_run_word().is_none() {
        return Err(Problem::conflict("there are users already"));
    }
    let made = api
        .accounts()
        .set_up(from.0, &wish.token, &wish.name, &wish.password)
        .await
        .map_err(|error| refused(&error))?;
    let signed_in = made.map_err(|error| not_changed(&error))?;
    tracing::info!(user = signed_in.who.name, "the first admin was made");
    Ok(welcome(&api, signed_in))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewPassword {
    old: String,
    new: String,
}

/// Change the own password; ends all sessions of that user
#[utoipa::path(post, path = "/session/password", tag = "session", request_body = NewPassword,
    responses((status = 204), (status = 401, body = Problem), (status = 403, body = Problem), (status = 422, body = Problem)))]
async fn password(
    State(api): State<Api>,
    Viewer(who): Viewer,
    from: From,
    Body(wish): Body<NewPassword>,
) -> Result<StatusCode, Problem> {
    let right = api.accounts().check_password(from.0, &who.name, &wish.old).await;
    right.map_err(|error| match error {
        LoginError::Wrong => Problem::forbidden("the old password is wrong"),
        LoginError::TooMany(wait) => Problem::too_many(wait),
    })?;
    api.accounts().set_password(&who.name, &wish.new).await.map_err(|error| not_changed(&error))?;
    Ok(StatusCode::NO_CONTENT)
}

fn refused(error: &LoginError) -> Problem {
    match error {
        LoginError::Wrong => Problem::new(StatusCode::UNAUTHORIZED, error.to_string()),
        LoginError::TooMany(wait) => Problem::too_many(*wait),
    }
}

/// Why an account is as it was.
pub(super) fn not_changed(error: &AccountError) -> Problem {
    let detail = error.to_string();
    match error {
        AccountError::Role => Problem::wrong("role", detail),
        AccountError::Name => Problem::wrong("name", detail),
        AccountError::Password => Problem::wrong("password", detail),
        AccountError::Taken | AccountError::LastAdmin | AccountError::TooMany => Problem::conflict(detail),
        AccountError::NoUser | AccountError::NoToken => Problem::missing(detail),
        AccountError::File(error) => Problem::failed("accounts cannot be kept", error),
    }
}

fn welcome(api: &Api, signed_in: SignedIn) -> Response {
    let SignedIn { cookie, csrf, who } = signed_in;
    let shown = who::Shown { who, csrf: Some(csrf) };
    let mut response = axum::Json(Session::of(api, Some(shown))).into_response();
    set_cookie(&mut response, api, &cookie, None);
    response
}

fn set_cookie(response: &mut Response, api: &Api, value: &str, max_age: Option<u32>) {
    let secure = if api.is_tls() { "; Secure" } else { "" };
    let age = max_age.map(|age| format!("; Max-Age={age}")).unwrap_or_default();
    let cookie = format!("{}={value}; Path=/; HttpOnly; SameSite=Strict{secure}{age}", who::COOKIE);
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
}

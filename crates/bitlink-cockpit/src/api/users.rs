//! Users and tokens: who may do what.

use super::problem::Body;
use super::session::not_changed;
use super::who::{Admin, Viewer};
use super::{Api, Problem};
use crate::accounts::{Role, Token, User};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(users, add))
        .routes(routes!(change, remove))
        .routes(routes!(tokens, add_token))
        .routes(routes!(remove_token))
}

#[derive(Debug, Serialize, ToSchema)]
struct Users {
    users: Vec<User>,
}

/// The users (admin)
#[utoipa::path(get, path = "/users", tag = "accounts", responses((status = 200, body = Users)))]
async fn users(State(api): State<Api>, _: Admin) -> axum::Json<Users> {
    axum::Json(Users { users: api.accounts().users() })
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewUser {
    name: String,
    role: Role,
    password: String,
}

/// Make a user (admin)
#[utoipa::path(post, path = "/users", tag = "accounts", request_body = NewUser,
    responses((status = 201), (status = 409, body = Problem), (status = 422, body = Problem)))]
async fn add(
    State(api): State<Api>,
    Admin(who): Admin,
    Body(wish): Body<NewUser>,
) -> Result<StatusCode, Problem> {
    not_in_demo(&api)?;
    api.accounts().add(&wish.name, wish.role, &wish.password).await.map_err(|error| not_changed(&error))?;
    tracing::info!(by = who.name, user = wish.name, role = %wish.role, "a user was made");
    Ok(StatusCode::CREATED)
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangedUser {
    role: Option<Role>,
    password: Option<String>,
}

/// Give a user another role or password (admin)
#[utoipa::path(patch, path = "/users/{name}", tag = "accounts", request_body = ChangedUser,
    responses((status = 204), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
async fn change(
    State(api): State<Api>,
    Admin(who): Admin,
    Path(name): Path<String>,
    Body(wish): Body<ChangedUser>,
) -> Result<StatusCode, Problem> {
    if let Some(role) = wish.role {
        api.accounts().set_role(&name, role).map_err(|error| not_changed(&error))?;
    }
    if let Some(password) = wish.password {
        api.accounts().set_password(&name, &password).await.map_err(|error| not_changed(&error))?;
    }
    tracing::info!(by = who.name, user = name, "a user was changed");
    Ok(StatusCode::NO_CONTENT)
}

/// Take a user away, with sessions and tokens (admin)
#[utoipa::path(delete, path = "/users/{name}", tag = "accounts",
    responses((status = 204), (status = 404, body = Problem), (status = 409, body = Problem)))]
async fn remove(
    State(api): State<Api>,
    Admin(who): Admin,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    api.accounts().remove(&name).map_err(|error| not_changed(&error))?;
    tracing::info!(by = who.name, user = name, "a user was taken away");
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Serialize, ToSchema)]
struct Tokens {
    tokens: Vec<Token>,
}

/// The own tokens; all of them for an admin
#[utoipa::path(get, path = "/tokens", tag = "accounts", responses((status = 200, body = Tokens)))]
async fn tokens(State(api): State<Api>, Viewer(who): Viewer) -> axum::Json<Tokens> {
    let owner = (who.role < Role::Admin).then_some(who.name.as_str());
    axum::Json(Tokens { tokens: api.accounts().tokens(owner) })
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewToken {
    name: String,
    role: Role,
    expires_at_ms: Option<i64>,
}

#[derive(Debug, Serialize, ToSchema)]
struct MadeToken {
    #[serde(flatten)]
    about: Token,
    /// It is told this once.
    token: String,
}

/// Make a token that may do no more than its owner
#[utoipa::path(post, path = "/tokens", tag = "accounts", request_body = NewToken,
    responses((status = 201, body = MadeToken), (status = 403, body = Problem), (status = 422, body = Problem)))]
async fn add_token(
    State(api): State<Api>,
    Viewer(who): Viewer,
    Body(wish): Body<NewToken>,
) -> Result<(StatusCode, axum::Json<MadeToken>), Problem> {
    not_in_demo(&api)?;
    if wish.role > who.role {
        return Err(Problem::forbidden("a token may do no more than who makes it"));
    }
    let made = api.accounts().add_token(&who.name, &wish.name, wish.role, wish.expires_at_ms);
    let (about, token) = made.map_err(|error| not_changed(&error))?;
    tracing::info!(by = who.name, token = about.name, role = %about.role, "a token was made");
    Ok((StatusCode::CREATED, axum::Json(MadeToken { about, token })))
}

/// Take a token away: an own one, or any for an admin
#[utoipa::path(delete, path = "/tokens/{id}", tag = "accounts", responses((status = 204), (status = 404, body = Problem)))]
async fn remove_token(
    State(api): State<Api>,
    Viewer(who): Viewer,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let owner = (who.role < Role::Admin).then_some(who.name.as_str());
    api.accounts().remove_token(&id, owner).map_err(|error| not_changed(&error))?;
    Ok(StatusCode::NO_CONTENT)
}

fn not_in_demo(api: &Api) -> Result<(), Problem> {
    if api.accounts().is_demo() {
        return Err(Problem::conflict("a demonstration has no accounts"));
    }
    Ok(())
}

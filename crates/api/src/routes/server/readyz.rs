use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::state::App;

/// Each part with `ok` or what is wrong with it.
#[derive(Serialize, ToSchema)]
pub(crate) struct Readiness {
    /// `ready` or `not_ready`.
    #[schema(example = "ready")]
    status: &'static str,
    /// The database, its migrations included.
    #[schema(example = "ok")]
    database: String,
    /// The loop that places calls; it may be alive and place none for want of room on the disk, or
    /// because the clock of this machine differs from the database server's.
    #[schema(example = "ok")]
    dialer: String,
    /// The HTTP server; it says so when it stops.
    #[schema(example = "ok")]
    server: String,
    /// Why no calls are placed, though requests are served: the installation is on hold, and only
    /// its operator can end that. Empty otherwise.
    #[schema(example = json!([]))]
    on_hold: Vec<&'static str>,
}

/// Whether requests should be sent here.
///
/// An installation on hold is ready: everything but dialing works, and `on_hold` says why.
#[utoipa::path(get, path = "/readyz", operation_id = "readyz", tag = "Server",
    responses((status = 200, description = "Every part is well.", body = Readiness),
        (status = 503, description = "A part is not well; which one is in the body.", body = Readiness)))]
pub(crate) async fn readyz(State(app): State<App>) -> (StatusCode, Json<Readiness>) {
    let database = app
        .store
        .ping(app.now())
        .await
        .map_err(|error| error.to_string());
    let dialer = app.health.dialer_alive();
    // Users can still pause and stop: requests should go on being sent here.
    let disk = app.store.disk_room().held;
    let held = disk.or_else(|| app.health.dialing_withheld());
    let server = if app.is_draining() {
        Err("the server stops".to_owned())
    } else {
        Ok(())
    };
    let ready = database.is_ok() && dialer.is_ok() && server.is_ok();
    let word = |part: Result<(), String>| part.err().unwrap_or_else(|| "ok".to_owned());
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let body = Readiness {
        status: if ready { "ready" } else { "not_ready" },
        database: word(database),
        dialer: match held {
            Some(why) if dialer.is_ok() => format!("no call is placed: {why}"),
            _ => word(dialer),
        },
        server: word(server),
        on_hold: reasons(&app).await,
    };
    (status, Json(body))
}

/// A database that cannot say is told by `database`.
async fn reasons(app: &App) -> Vec<&'static str> {
    let holds = app.store.hold_status().await.unwrap_or_default().holds;
    holds.iter().map(|hold| hold.reason.as_str()).collect()
}

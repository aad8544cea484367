//! What the clock of the database's server says.
//!
//! The only statement that asks it. Its answer is data for whoever compares clocks; no statement and
//! no campaign decides anything by it. Outside of a transaction, so that it takes one round trip.

use deadpool_postgres::Object;
use jiff::Timestamp;
use store::StoreResult;

use crate::code::{Cells, instant};
use crate::error::translate;

/// The instant on the server's clock while it answers.
pub(crate) async fn read(client: &Object) -> StoreResult<Timestamp> {
    let sql = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS micros";
    let statement = client.prepare_cached(sql).await.map_err(translate)?;
    let row = client.query_one(&statement, &[]).await.map_err(translate)?;
    instant(Cells(&row).get("micros")?)
}

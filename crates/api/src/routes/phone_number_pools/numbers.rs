//! Whether the numbers of a pool are the voice provider's.

use std::collections::HashMap;

use futures_util::{StreamExt, stream};
use providers::{CHECK_TIMEOUT, ProviderNumber};
use store::{LineRecord, PoolNumber};

use crate::code;
use crate::error::{ApiError, ApiResult};
use crate::faults::Faults;
use crate::provider_desk::{Desk, LookupFailure, ProviderDesk};
use crate::state::App;

/// Numbers asked about at once.
const AT_ONCE: usize = 8;

/// Asks the provider about every number, within [`CHECK_TIMEOUT`] in all. Unknown ones become
/// faults; numbers without `e164` get it.
pub(super) async fn check(
    app: &App,
    line: &LineRecord,
    numbers: &mut [PoolNumber],
    faults: &mut Faults,
) -> ApiResult<()> {
    if numbers.is_empty() {
        return Ok(());
    }
    let desk = ProviderDesk::new(app).open(line)?;
    let known = tokio::time::timeout(CHECK_TIMEOUT, look_up(&desk, numbers)).await;
    let known = known.map_err(|_| {
        ApiError::ProviderUnreachable(format!("it took longer than {} s", CHECK_TIMEOUT.as_secs()))
    })??;
    for (index, number) in numbers.iter_mut().enumerate() {
        let place = format!("phone_numbers[{index}]");
        let Some(known) = known.get(&number.phone_number_id) else {
            let message =
                "The voice provider knows no number with this id; use an id from its account.";
            faults.add(
                format!("{place}.phone_number_id"),
                code::UNKNOWN_AT_PROVIDER,
                message,
            );
            continue;
        };
        match (&number.e164, &known.e164) {
            (Some(given), Some(true_one)) if given != true_one => {
                let message = format!(
                    "The voice provider says that this number is {true_one}; leave `e164` out."
                );
                faults.add(format!("{place}.e164"), code::CONTRADICTION, message);
            }
            (None, Some(true_one)) => number.e164 = Some(true_one.clone()),
            _ => {}
        }
    }
    Ok(())
}

/// The provider's list in one request, and those that are not in it (a list may be cut) one by one.
async fn look_up(
    desk: &Desk<'_>,
    numbers: &[PoolNumber],
) -> ApiResult<HashMap<String, ProviderNumber>> {
    let listed = desk
        .phone_numbers()
        .await
        .map_err(LookupFailure::into_error)?;
    let mut known: HashMap<_, _> = listed
        .into_iter()
        .map(|number| (number.phone_number_id.clone(), number))
        .collect();
    let ids = numbers.iter().map(|number| &number.phone_number_id);
    let missing: Vec<_> = ids.filter(|id| !known.contains_key(*id)).cloned().collect();
    let ask = async |id: String| (desk.phone_number(&id).await, id);
    let mut answers = stream::iter(missing).map(ask).buffer_unordered(AT_ONCE);
    while let Some((answer, id)) = answers.next().await {
        match answer {
            Ok(number) => {
                known.insert(id, number);
            }
            Err(LookupFailure::NotFound) => {}
            Err(failure) => return Err(failure.into_error()),
        }
    }
    Ok(known)
}

//! Answers of bulk operations that do each item on its own.

use http::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value};
use store::{StoreError, StoreResult};
use utoipa::ToSchema;

use crate::answer::Answer;
use crate::bulk::Item;
use crate::error::{ApiError, Problem};
use crate::faults::Faults;

/// The envelope of a bulk operation that was done item by item.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BulkResults {
    /// Always `success`, also when items failed.
    #[schema(example = "success")]
    status: &'static str,
    /// What was done.
    message: &'static str,
    /// One result per item, in the order of the request.
    results: Vec<ItemResult>,
}

/// What became of one item.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ItemResult {
    /// Position in the request, from 0.
    index: usize,
    /// The number, as it was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "+14155552671")]
    phone_number: Option<String>,
    /// The id, as it was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    campaign_lead_id: Option<String>,
    /// Whether it was done.
    success: bool,
    /// What was done, or why not.
    #[schema(example = "Lead updated successfully")]
    message: String,
}

/// Items on their way through the store.
pub(super) struct Slots(Vec<Slot>);

/// An item that was refused, or whose answer comes from the store.
struct Slot {
    phone_number: Option<String>,
    campaign_lead_id: Option<String>,
    refusal: Option<String>,
}

/// Reads every item that may be asked for, keeping the place of the others.
pub(super) fn read<T>(
    items: Vec<Item>,
    read: impl Fn(&mut Map<String, Value>, &mut Faults) -> Option<T>,
) -> (Slots, Vec<T>) {
    let mut asked = Vec::with_capacity(items.len());
    let slot = |Item {
                    mut fields,
                    refusal,
                }: Item| {
        let text = |name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
        let (phone_number, campaign_lead_id) = (text("phone_number"), text("campaign_lead_id"));
        let refusal = refusal.or_else(|| {
            let mut faults = Faults::default();
            let value = read(&mut fields, &mut faults);
            match faults.settle(value) {
                Ok(value) => asked.push(value),
                Err(error) => return Some(told(error)),
            }
            None
        });
        Slot {
            phone_number,
            campaign_lead_id,
            refusal,
        }
    };
    let slots = items.into_iter().map(slot).collect();
    (Slots(slots), asked)
}

fn told(error: ApiError) -> String {
    match error {
        ApiError::Validation(faults) => {
            let messages: Vec<_> = faults.into_iter().map(|fault| fault.message).collect();
            messages.join(" ")
        }
        _ => "The item cannot be read.".to_owned(),
    }
}

impl Slots {
    /// The whole answer, with what the store said of each item that it was asked for, in order.
    pub(super) fn answer<T>(
        self,
        message: &'static str,
        words: Words,
        answers: Vec<StoreResult<T>>,
    ) -> Answer {
        let mut answers = answers.into_iter();
        let result = |(index, slot): (usize, Slot)| {
            let done = slot.refusal.map_or_else(|| words.of(answers.next()), Err);
            let Slot {
                phone_number,
                campaign_lead_id,
                ..
            } = slot;
            let success = done.is_ok();
            let message = done.map_or_else(|refusal| refusal, str::to_owned);
            ItemResult {
                index,
                phone_number,
                campaign_lead_id,
                success,
                message,
            }
        };
        let results = self.0.into_iter().enumerate().map(result).collect();
        Answer::of(
            StatusCode::OK,
            &BulkResults {
                status: "success",
                message,
                results,
            },
        )
    }
}

/// What is said of an item.
#[derive(Clone, Copy)]
pub(super) struct Words {
    pub(super) done: &'static str,
    pub(super) not_found: &'static str,
}

impl Words {
    fn of<T>(self, answer: Option<StoreResult<T>>) -> Result<&'static str, String> {
        match answer {
            Some(Ok(_)) => Ok(self.done),
            Some(Err(StoreError::NotFound(_))) | None => Err(self.not_found.to_owned()),
            Some(Err(error)) => Err(Problem::from(ApiError::from(error)).into_message()),
        }
    }
}

//! A call that a provider reports, as one that may have to be put on record anew.

use domain::{CampaignId, LineId, PhoneNumber};
use providers::CallEvent;
use store::{StrangeCall, Vault};

use crate::attempt_key::is_ours;
use crate::facts::echo_facts;

/// What the event says of a call of this installation; `None` if it carries no key of ours.
pub fn strange_call(line_id: LineId, event: CallEvent, vault: &Vault) -> Option<StrangeCall> {
    let attempt_key = event
        .attempt_key
        .clone()
        .filter(|key| is_ours(vault, key))?;
    let campaign_id = event.made.campaign_id.as_deref();
    Some(StrangeCall {
        line_id,
        attempt_key,
        provider_call_id: event.provider_call_id.clone(),
        campaign_id: campaign_id
            .and_then(|id| id.parse().ok())
            .map(CampaignId::from_raw),
        phone: event.to.as_deref().and_then(PhoneNumber::parse),
        phone_number_id: event.made.phone_number_id.clone(),
        created_at: event.made.created_at,
        facts: echo_facts(line_id, event),
    })
}

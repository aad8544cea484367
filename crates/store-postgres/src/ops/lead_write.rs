//! Writing leads: the one way in for single additions, imports and copies, and for changed fields.

use std::collections::{HashMap, HashSet};

use domain::campaign::{CampaignStatus, LeadStatus};
use domain::{CampaignId, LeadId, Outcome, PhoneNumber};
use jiff::Timestamp;
use serde_json::json;
use store::lead_rules::{
    NARROWING, as_change, changed_fields, merged, priority_of, rank, status_by_record,
};
use store::{
    Caller, Conflict, LeadFields, LeadKey, NO_LEAD, NewLead, OnDuplicate, Scope, StoreError,
    StoreResult,
};

use crate::code::{Cells, micros, to_json};
use crate::events::{self, Subject};
use crate::ops::campaigns::Head;
use crate::ops::{campaign_edit, do_not_call, due};
use crate::query::{self, bound};
use crate::work::Work;

/// What became of a lead that was to be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Put {
    Added(LeadId),
    Updated(LeadId),
    Skipped(LeadId),
}

/// A lead as stored.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) lead_id: LeadId,
    pub(crate) campaign_id: CampaignId,
    pub(crate) phone: PhoneNumber,
    pub(crate) status: LeadStatus,
    pub(crate) fields: LeadFields,
    pub(crate) last_outcome: Option<Outcome>,
    pub(crate) last_attempt_at: Option<Timestamp>,
    pub(crate) requeued_at: Option<Timestamp>,
    pub(crate) revision: i64,
}

impl Row {
    /// Whether nothing was tried since it was put back.
    pub(crate) fn is_requeued(&self) -> bool {
        self.requeued_at.is_some() && self.requeued_at >= self.last_attempt_at
    }
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT lead_id, campaign_id, phone, status, timezone, rank, not_before, last_outcome,
                    last_attempt_at, requeued_at, first_name, last_name, email, custom_fields, revision
             FROM leads WHERE tenant_id = $1 AND campaign_id = $2 ",
            $rest
        )
    };
}

/// The lead of the campaign with this key.
pub(crate) async fn find(
    work: &Work<'_>,
    campaign_id: CampaignId,
    key: &LeadKey,
) -> StoreResult<Option<Row>> {
    match key {
        LeadKey::Id(lead_id) => find_by_id(work, campaign_id, *lead_id).await,
        LeadKey::Phone(phone) => {
            let found = find_all(work, campaign_id, &[phone.as_str()]).await?;
            Ok(found.into_values().next())
        }
    }
}

/// The lead of the campaign with this id.
pub(crate) async fn find_by_id(
    work: &Work<'_>,
    campaign_id: CampaignId,
    lead_id: LeadId,
) -> StoreResult<Option<Row>> {
    let bound = bound![work.tenant_id.raw(), campaign_id.raw(), lead_id.raw()];
    query::one(&work.tx, select!("AND lead_id = $3"), bound, read).await
}

/// The leads of the campaign with these numbers, by number.
async fn find_all(
    work: &Work<'_>,
    campaign_id: CampaignId,
    phones: &[&str],
) -> StoreResult<HashMap<String, Row>> {
    let bound = bound![work.tenant_id.raw(), campaign_id.raw(), phones];
    let found = query::many(&work.tx, select!("AND phone = ANY($3)"), bound, read).await?;
    let by_phone = |row: Row| (row.phone.as_str().to_owned(), row);
    Ok(found.into_iter().map(by_phone).collect())
}

/// The leads of a campaign with ids in `(after, up_to]`, in order.
pub(crate) async fn between(
    work: &Work<'_>,
    campaign_id: CampaignId,
    after: i64,
    up_to: i64,
    limit: u32,
) -> StoreResult<Vec<Row>> {
    let sql = select!("AND lead_id > $3 AND lead_id <= $4 ORDER BY lead_id LIMIT $5");
    let limit = i64::from(limit);
    let bound = bound![work.tenant_id.raw(), campaign_id.raw(), after, up_to, limit];
    query::many(&work.tx, sql, bound, read).await
}

fn read(cells: &Cells<'_>) -> StoreResult<Row> {
    Ok(Row {
        lead_id: LeadId::from_raw(cells.get("lead_id")?),
        campaign_id: CampaignId::from_raw(cells.get("campaign_id")?),
        phone: cells.phone("phone")?,
        status: cells.choice("status", LeadStatus::parse)?,
        fields: fields(cells)?,
        last_outcome: cells.maybe_choice("last_outcome", Outcome::parse)?,
        last_attempt_at: cells.maybe_instant("last_attempt_at")?,
        requeued_at: cells.maybe_instant("requeued_at")?,
        revision: cells.get("revision")?,
    })
}

/// What the user says of a lead, from its row.
pub(crate) fn fields(cells: &Cells<'_>) -> StoreResult<LeadFields> {
    Ok(LeadFields {
        first_name: cells.get("first_name")?,
        last_name: cells.get("last_name")?,
        email: cells.get("email")?,
        custom_fields: cells.json("custom_fields")?,
        timezone: cells.get("timezone")?,
        priority: Some(priority_of(cells.number("rank")?)),
        not_before: cells.maybe_instant("not_before")?,
    })
}

/// Adds a lead, or changes the one with its number. The caller wakes the campaign.
pub(crate) async fn put(
    work: &mut Work<'_>,
    caller: Caller,
    campaign: &mut Head,
    lead: NewLead,
    on_duplicate: OnDuplicate,
) -> StoreResult<Put> {
    let mut put = put_all(work, caller, campaign, vec![lead], on_duplicate).await?;
    put.pop().unwrap_or_else(|| {
        Err(StoreError::Corrupt(
            "a lead was not answered for".to_owned(),
        ))
    })
}

/// The same for many leads, in order and in a few statements. A refusal is the answer of its lead.
pub(crate) async fn put_all(
    work: &mut Work<'_>,
    caller: Caller,
    campaign: &mut Head,
    leads: Vec<NewLead>,
    on_duplicate: OnDuplicate,
) -> StoreResult<Vec<StoreResult<Put>>> {
    if matches!(
        campaign.status,
        CampaignStatus::Stopped | CampaignStatus::Archived
    ) {
        let refusal = || Err(Conflict::TakesNoLeads(campaign.status).into());
        return Ok(leads.iter().map(|_| refusal()).collect());
    }
    let phones: Vec<&str> = leads.iter().map(|lead| lead.phone.as_str()).collect();
    let mut batch = Batch {
        known: find_all(work, campaign.campaign_id, &phones).await?,
        suppressed: do_not_call::those_on(&work.tx, caller.tenant_id, &phones, caller.now).await?,
        called: outcomes_of(work, campaign.campaign_id, &phones).await?,
        on_duplicate,
        new: Vec::new(),
    };
    let mut answers = Vec::with_capacity(leads.len());
    for lead in leads {
        match batch.put(work, caller, campaign, lead).await {
            Err(failure) if !matches!(failure, StoreError::Conflict(_)) => return Err(failure),
            answer => answers.push(answer),
        }
    }
    batch.write(work, caller, campaign.campaign_id).await?;
    Ok(answers)
}

/// Leads on their way in.
struct Batch {
    /// Those that are there, by number.
    known: HashMap<String, Row>,
    /// Numbers on the do-not-call list.
    suppressed: HashSet<String>,
    /// How the campaign's calls to the numbers ended, in order.
    called: HashMap<String, Vec<Outcome>>,
    on_duplicate: OnDuplicate,
    /// Those that are decided and not yet written.
    new: Vec<Fresh>,
}

/// A lead to insert.
struct Fresh {
    lead_id: LeadId,
    phone: PhoneNumber,
    status: LeadStatus,
    fields: LeadFields,
}

impl Batch {
    async fn put(
        &mut self,
        work: &mut Work<'_>,
        caller: Caller,
        campaign: &mut Head,
        lead: NewLead,
    ) -> StoreResult<Put> {
        let same = |fresh: &Fresh| fresh.phone == lead.phone;
        if self.new.iter().any(same) {
            // The number is twice in the batch: the second is a duplicate of the first.
            self.write(work, caller, campaign.campaign_id).await?;
        }
        let Some(found) = self.known.get(lead.phone.as_str()) else {
            return self.insert(work, caller, campaign, lead).await;
        };
        if self.on_duplicate == OnDuplicate::Skip {
            return Ok(Put::Skipped(found.lead_id));
        }
        let fields = merged(&found.fields, &as_change(&lead))?;
        let changed = changed_fields(&found.fields, &fields);
        let mut after = found.clone();
        if !changed.is_empty() {
            write_fields(work, caller, found, &fields, &changed).await?;
            after.fields = fields;
            after.revision += 1;
        }
        let lead_id = after.lead_id;
        self.known.insert(lead.phone.as_str().to_owned(), after);
        Ok(Put::Updated(lead_id))
    }

    /// A new lead: READY, unless its number is on the do-not-call list or the campaign's calls to
    /// it have settled the matter.
    async fn insert(
        &mut self,
        work: &mut Work<'_>,
        caller: Caller,
        campaign: &mut Head,
        lead: NewLead,
    ) -> StoreResult<Put> {
        let fields = merged(&LeadFields::default(), &as_change(&lead))?;
        let status = if self.suppressed.contains(lead.phone.as_str()) {
            LeadStatus::OptedOut
        } else if let Some(outcomes) = self.called.get(lead.phone.as_str()) {
            let settings = campaign.settings(work)?;
            status_by_record(outcomes, settings.outbound.as_ref())
        } else {
            LeadStatus::Ready
        };
        let lead_id = LeadId::from_raw(work.next_id(caller.now));
        let subject = Subject::lead(campaign.campaign_id, lead_id);
        let data = json!({ "status": status.as_str() });
        events::append(work, caller.now, "lead.added", subject, &data);
        self.new.push(Fresh {
            lead_id,
            phone: lead.phone,
            status,
            fields,
        });
        if status == LeadStatus::Ready && campaign.status == CampaignStatus::Completed {
            // The lead first, so that the campaign does not say that it has none to call.
            self.write(work, caller, campaign.campaign_id).await?;
            campaign_edit::reopen(work, caller, campaign).await?;
        }
        Ok(Put::Added(lead_id))
    }

    /// Writes what is decided; it is known from then on.
    async fn write(
        &mut self,
        work: &Work<'_>,
        caller: Caller,
        campaign_id: CampaignId,
    ) -> StoreResult<()> {
        if self.new.is_empty() {
            return Ok(());
        }
        let new = std::mem::take(&mut self.new);
        insert_all(work, caller.now, campaign_id, &new).await?;
        let ready = new.iter().filter(|lead| lead.status == LeadStatus::Ready);
        let ready: Vec<_> = ready.map(|lead| (lead.lead_id, caller.now)).collect();
        due::put_all(work, campaign_id, &ready).await?;
        for lead in new {
            let row = Row {
                lead_id: lead.lead_id,
                campaign_id,
                phone: lead.phone.clone(),
                status: lead.status,
                fields: lead.fields,
                last_outcome: None,
                last_attempt_at: None,
                requeued_at: None,
                revision: 1,
            };
            self.known.insert(lead.phone.as_str().to_owned(), row);
        }
        Ok(())
    }
}

/// How the campaign's calls to these numbers ended, by number and in order: as far as they say
/// something of a lead that is added again.
async fn outcomes_of(
    work: &Work<'_>,
    campaign_id: CampaignId,
    phones: &[&str],
) -> StoreResult<HashMap<String, Vec<Outcome>>> {
    let sql = "SELECT phone, outcome FROM attempts
               WHERE tenant_id = $1 AND campaign_id = $2 AND phone = ANY($3) AND lead_id <> $4
                 AND outcome IS NOT NULL AND (counts OR state = 'REJECTED')
               ORDER BY planned_at, attempt_id";
    let bound = bound![
        work.tenant_id.raw(),
        campaign_id.raw(),
        phones,
        NO_LEAD.raw()
    ];
    let found = query::many(&work.tx, sql, bound, |cells| {
        let phone: String = cells.get("phone")?;
        Ok((phone, cells.choice("outcome", Outcome::parse)?))
    })
    .await?;
    let mut by_phone: HashMap<String, Vec<Outcome>> = HashMap::new();
    for (phone, outcome) in found {
        by_phone.entry(phone).or_default().push(outcome);
    }
    Ok(by_phone)
}

async fn insert_all(
    work: &Work<'_>,
    now: Timestamp,
    campaign_id: CampaignId,
    leads: &[Fresh],
) -> StoreResult<()> {
    let sql = "INSERT INTO leads (tenant_id, campaign_id, created_at, updated_at, revision, lead_id, phone, status,
                   timezone, rank, not_before, first_name, last_name, email, custom_fields)
               SELECT $1, $2, $3, $3, 1, *
               FROM UNNEST($4::bigint[], $5::text[], $6::text[], $7::text[], $8::bigint[], $9::bigint[],
                           $10::text[], $11::text[], $12::text[], $13::text[])";
    let ids: Vec<_> = leads.iter().map(|lead| lead.lead_id.raw()).collect();
    let phones: Vec<_> = leads.iter().map(|lead| lead.phone.as_str()).collect();
    let statuses: Vec<_> = leads.iter().map(|lead| lead.status.as_str()).collect();
    let text = |field: fn(&LeadFields) -> Option<&str>| -> Vec<_> {
        leads.iter().map(|lead| field(&lead.fields)).collect()
    };
    let ranks: Vec<_> = leads
        .iter()
        .map(|lead| i64::from(rank(&lead.fields)))
        .collect();
    let not_before: Vec<_> = leads
        .iter()
        .map(|lead| lead.fields.not_before.map(micros))
        .collect();
    let custom: Vec<_> = leads
        .iter()
        .map(|lead| to_json(&lead.fields.custom_fields))
        .collect();
    let bound = bound![
        work.tenant_id.raw(),
        campaign_id.raw(),
        micros(now),
        ids,
        phones,
        statuses,
        text(|fields| fields.timezone.as_deref()),
        ranks,
        not_before,
        text(|fields| fields.first_name.as_deref()),
        text(|fields| fields.last_name.as_deref()),
        text(|fields| fields.email.as_deref()),
        custom,
    ];
    query::execute(&work.tx, sql, bound).await?;
    Ok(())
}

/// Writes changed fields and tells of everything that changed with them.
pub(crate) async fn write_fields(
    work: &mut Work<'_>,
    caller: Caller,
    lead: &Row,
    fields: &LeadFields,
    changed: &[&'static str],
) -> StoreResult<()> {
    if changed.iter().any(|field| NARROWING.contains(field)) {
        work.revoke(Scope::Lead(lead.lead_id));
    }
    let sql = "UPDATE leads SET first_name = $3, last_name = $4, email = $5, custom_fields = $6, timezone = $7,
                   rank = $8, not_before = $9, revision = revision + 1, updated_at = $10
               WHERE tenant_id = $1 AND lead_id = $2 RETURNING status";
    let bound = bound![
        work.tenant_id.raw(),
        lead.lead_id.raw(),
        fields.first_name,
        fields.last_name,
        fields.email,
        to_json(&fields.custom_fields),
        fields.timezone,
        i64::from(rank(fields)),
        fields.not_before.map(micros),
        micros(caller.now),
    ];
    let status = query::one(&work.tx, sql, bound, |cells| {
        cells.choice("status", LeadStatus::parse)
    })
    .await?;
    if ["timezone", "priority", "not_before"]
        .iter()
        .any(|field| changed.contains(field))
    {
        due::put(work, lead.campaign_id, lead.lead_id, caller.now).await?;
    }
    let subject = Subject::lead(lead.campaign_id, lead.lead_id);
    // Where the lead is now: putting one back that must not be called leaves it opted out.
    let status = status.map(LeadStatus::as_str);
    let data = json!({ "changed": changed, "revision": lead.revision + 1, "status": status });
    events::append(work, caller.now, "lead.updated", subject, &data);
    Ok(())
}

/// Moves a lead. The caller keeps `due` in step and tells.
pub(crate) async fn set_status(
    work: &Work<'_>,
    now: Timestamp,
    lead_id: LeadId,
    status: LeadStatus,
) -> StoreResult<()> {
    let sql = "UPDATE leads SET status = $3, updated_at = $4 WHERE tenant_id = $1 AND lead_id = $2";
    let bound = bound![
        work.tenant_id.raw(),
        lead_id.raw(),
        status.as_str(),
        micros(now),
    ];
    query::execute(&work.tx, sql, bound).await?;
    Ok(())
}

//! Assistants, phone numbers, squads and workflows.

use http::Method;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    ResourceKind, Visit, World,
    read::{Bounds, read_limit},
};
use crate::{
    vapi::{errors, validate},
    wire::Answer,
};

impl World {
    /// Any `GET` below `/vapi` that is not about calls.
    pub(super) fn read_resources(&self, visit: &Visit<'_>, rest: &[&str]) -> Answer {
        if rest == ["v2", "phone-number"] {
            return self.page_phone_numbers(visit);
        }
        let (kind, id) = match rest {
            [name] => (kind_of(name), None),
            [name, id] => (kind_of(name), Some(*id)),
            _ => (None, None),
        };
        let Some(kind) = kind else {
            return errors::no_route(&Method::GET, &visit.request.path);
        };
        let found = id.and_then(|id| self.accounts.get(&visit.account)?.find(kind, id));
        match (id, found) {
            (None, _) => self
                .list_resources(visit, kind)
                .unwrap_or_else(|answer| answer),
            (Some(_), Some(object)) => Answer::json(200, &json!(object)),
            (Some(id), None) => errors::not_found(title_of(kind), id),
        }
    }

    fn list_resources(&self, visit: &Visit<'_>, kind: ResourceKind) -> Result<Answer, Answer> {
        let limit = read_limit(visit.request)?;
        let found = self.wanted_resources(visit, kind)?;
        let listed: Vec<_> = found.into_iter().take(limit).collect();
        Ok(Answer::json(200, &json!(listed)))
    }

    /// The account's objects within the query's times, the newest first.
    fn wanted_resources<'w>(
        &'w self,
        visit: &Visit<'_>,
        kind: ResourceKind,
    ) -> Result<Vec<&'w Map<String, Value>>, Answer> {
        let created = Bounds::read(visit.request, "createdAt")?;
        let updated = Bounds::read(visit.request, "updatedAt")?;
        let own = self
            .accounts
            .get(&visit.account)
            .map_or(&[][..], |account| account.resources(kind));
        let is_wanted = |object: &&Map<String, Value>| {
            created.contain(time_of(object, "createdAt"))
                && updated.contain(time_of(object, "updatedAt"))
        };
        let mut found: Vec<_> = own.iter().filter(is_wanted).collect();
        found.sort_by_key(|object| std::cmp::Reverse(time_of(object, "createdAt")));
        Ok(found)
    }

    /// `GET /v2/phone-number?search&page&limit`.
    fn page_phone_numbers(&self, visit: &Visit<'_>) -> Answer {
        let read = || {
            let limit = read_limit(visit.request)?.max(1);
            Ok((
                limit,
                self.wanted_resources(visit, ResourceKind::PhoneNumber)?,
            ))
        };
        let (limit, mut found) = match read() {
            Ok(found) => found,
            Err(answer) => return answer,
        };
        if let Some(search) = visit.request.query_value("search") {
            let holds = |object: &Map<String, Value>, key: &str| {
                object
                    .get(key)
                    .and_then(Value::as_str)
                    .is_some_and(|text| text.contains(&search))
            };
            found.retain(|object| holds(object, "number") || holds(object, "name"));
        }
        let page: usize = visit
            .request
            .query_value("page")
            .and_then(|page| page.parse().ok())
            .unwrap_or(1)
            .max(1);
        let total = found.len();
        let start = (page - 1).saturating_mul(limit).min(total);
        let results: Vec<_> = found[start..].iter().take(limit).collect();
        Answer::json(
            200,
            &json!({
                "results": results,
                "metadata": {
                    "itemsPerPage": limit, "totalItems": total, "currentPage": page,
                    "totalPages": total.div_ceil(limit),
                    "hasNextPage": start + results.len() < total,
                },
            }),
        )
    }

    /// Any `POST`, `PATCH` or `DELETE` below `/vapi` that is not about calls.
    pub(super) fn change_resources(&mut self, visit: &Visit<'_>, rest: &[&str]) -> Answer {
        let method = &visit.request.method;
        let (kind, id) = match rest {
            [name] => (changeable_kind_of(name), None),
            [name, id] => (changeable_kind_of(name), Some(*id)),
            _ => (None, None),
        };
        match (method, kind, id) {
            (&Method::POST, Some(kind), None) => self.add_resource(visit, kind),
            (&Method::PATCH, Some(kind), Some(id)) => self.change_resource(visit, kind, id),
            (&Method::DELETE, Some(kind), Some(id)) => {
                let account = self.accounts.get_mut(&visit.account);
                match account.and_then(|account| account.remove(kind, id)) {
                    Some(object) => Answer::json(200, &json!(object)),
                    None => errors::not_found(title_of(kind), id),
                }
            }
            _ => errors::no_route(method, &visit.request.path),
        }
    }

    fn add_resource(&mut self, visit: &Visit<'_>, kind: ResourceKind) -> Answer {
        let (seed, now) = (self.options.seed, self.now);
        let fields = match read_fields(visit, kind, true) {
            Ok(fields) => fields,
            Err(answer) => return answer,
        };
        let account = self.accounts.get_mut(&visit.account);
        match account.and_then(|account| account.add(seed, now, kind, fields)) {
            Some(object) => Answer::json(201, &json!(object)),
            None => errors::full("saved objects"),
        }
    }

    fn change_resource(&mut self, visit: &Visit<'_>, kind: ResourceKind, id: &str) -> Answer {
        let now = self.now;
        let fields = match read_fields(visit, kind, false) {
            Ok(fields) => fields,
            Err(answer) => return answer,
        };
        let account = self.accounts.get_mut(&visit.account);
        match account.and_then(|account| account.change(now, kind, id, fields)) {
            Some(object) => Answer::json(200, &json!(object)),
            None => errors::not_found(title_of(kind), id),
        }
    }
}

/// Reads and checks the body of a saved object.
fn read_fields(
    visit: &Visit<'_>,
    kind: ResourceKind,
    is_new: bool,
) -> Result<Map<String, Value>, Answer> {
    let document: Value = serde_json::from_slice(&visit.request.body).unwrap_or_default();
    let Value::Object(mut fields) = document else {
        return Err(errors::bad_request(
            "the request body must be a JSON object",
        ));
    };
    let problems = match kind {
        ResourceKind::PhoneNumber => validate::phone_number_problems(&fields, is_new),
        _ => validate::assistant_problems(&fields),
    };
    if !problems.is_empty() {
        return Err(errors::invalid(&problems));
    }
    fields.retain(|key, _| !matches!(key.as_str(), "id" | "orgId" | "createdAt" | "updatedAt"));
    Ok(fields)
}

fn kind_of(name: &str) -> Option<ResourceKind> {
    Some(match name {
        "assistant" => ResourceKind::Assistant,
        "phone-number" => ResourceKind::PhoneNumber,
        "squad" => ResourceKind::Squad,
        "workflow" => ResourceKind::Workflow,
        _ => return None,
    })
}

/// Squads and workflows can only be read here.
fn changeable_kind_of(name: &str) -> Option<ResourceKind> {
    kind_of(name).filter(|kind| matches!(kind, ResourceKind::Assistant | ResourceKind::PhoneNumber))
}

fn title_of(kind: ResourceKind) -> &'static str {
    match kind {
        ResourceKind::Assistant => "Assistant",
        ResourceKind::PhoneNumber => "Phone Number",
        ResourceKind::Squad => "Squad",
        ResourceKind::Workflow => "Workflow",
    }
}

fn time_of(object: &Map<String, Value>, key: &str) -> Timestamp {
    object
        .get(key)
        .and_then(Value::as_str)
        .and_then(|text| text.parse().ok())
        .unwrap_or(Timestamp::MIN)
}

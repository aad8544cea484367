//! How the vendor writes calls and callbacks.

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Value, json};

use crate::{
    dice::uuid_text,
    time,
    world::{Call, CallStatus},
};

/// What a callback is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// `status-update`
    Status,
    /// `hang`
    Hang,
    /// `end-of-call-report`
    Report,
}

/// The vendor's word on how many calls may be made, in the answer to a create request.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SubscriptionLimits {
    pub(crate) concurrency_blocked: bool,
    pub(crate) concurrency_limit: u32,
    pub(crate) remaining_concurrent_calls: u32,
}

/// A call as the vendor's `Call` object.
pub(crate) struct CallView<'a> {
    pub(crate) call: &'a Call,
    /// Only in the answer to a create request.
    pub(crate) limits: Option<SubscriptionLimits>,
    /// Whether transcript, analysis and cost are shown once there are any; callbacks carry them
    /// elsewhere.
    pub(crate) has_report: bool,
}

impl Serialize for CallView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let call = self.call;
        let id = uuid_text(call.id);
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &id)?;
        map.serialize_entry("orgId", &*call.org_id)?;
        map.serialize_entry("type", "outboundPhoneCall")?;
        map.serialize_entry("status", call.status.word())?;
        map.serialize_entry("createdAt", &time::with_milliseconds(call.created_at))?;
        map.serialize_entry("updatedAt", &time::with_milliseconds(call.updated_at))?;
        if let Some(name) = &call.name {
            map.serialize_entry("name", name)?;
        }
        for (key, value) in &call.echo {
            map.serialize_entry(key, value)?;
        }
        map.serialize_entry("customer", &call.customer)?;
        map.serialize_entry("phoneCallProvider", "twilio")?;
        map.serialize_entry(
            "phoneCallProviderId",
            &format!("CA{:032x}", call.id.rotate_left(64)),
        )?;
        map.serialize_entry("phoneCallTransport", "pstn")?;
        if call.status != CallStatus::Ended {
            map.serialize_entry("monitor", &monitor(call, &id))?;
        }
        for (key, at) in [("startedAt", call.started_at), ("endedAt", call.ended_at)] {
            if let Some(at) = at {
                map.serialize_entry(key, &time::with_milliseconds(at))?;
            }
        }
        if let Some(reason) = &call.ended_reason {
            map.serialize_entry("endedReason", reason)?;
        }
        let shows_report = self.has_report && call.is_reported;
        if shows_report {
            let report = Report::of(call);
            map.serialize_entry("cost", &report.cost)?;
            map.serialize_entry("costs", &report.costs)?;
            map.serialize_entry("costBreakdown", &report.cost_breakdown)?;
            map.serialize_entry("analysis", &report.analysis)?;
            map.serialize_entry("artifact", &report.artifact)?;
        } else {
            map.serialize_entry("cost", &0)?;
        }
        if let Some(limits) = &self.limits {
            map.serialize_entry("subscriptionLimits", limits)?;
        }
        map.end()
    }
}

fn monitor(call: &Call, id: &str) -> Value {
    let socket = call.origin.replacen("http", "ws", 1);
    json!({
        "listenUrl": format!("{socket}/vapi/call/{id}/listen"),
        "controlUrl": format!("{}/vapi/call/{id}/control", call.origin),
    })
}

/// A call as JSON text.
pub(crate) fn call(call: &Call, limits: Option<SubscriptionLimits>) -> Vec<u8> {
    to_json(&CallView {
        call,
        limits,
        has_report: true,
    })
}

/// Several calls as a JSON array.
pub(crate) fn calls<'a>(calls: impl Iterator<Item = &'a Call>) -> Vec<u8> {
    let views: Vec<_> = calls
        .map(|call| CallView {
            call,
            limits: None,
            has_report: true,
        })
        .collect();
    to_json(&views)
}

/// The body of a callback about a call as it stands.
pub(crate) fn message(call: &Call, message: Message, at: Timestamp) -> Bytes {
    #[derive(Serialize)]
    struct Envelope<'a> {
        message: MessageView<'a>,
    }
    to_json(&Envelope {
        message: MessageView { call, message, at },
    })
    .into()
}

struct MessageView<'a> {
    call: &'a Call,
    message: Message,
    at: Timestamp,
}

impl Serialize for MessageView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let call = self.call;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("timestamp", &self.at.as_millisecond())?;
        match self.message {
            Message::Status => {
                map.serialize_entry("type", "status-update")?;
                map.serialize_entry("status", call.status.word())?;
                if let Some(reason) = &call.ended_reason {
                    map.serialize_entry("endedReason", reason)?;
                }
                map.serialize_entry("artifact", &json!({}))?;
            }
            Message::Hang => map.serialize_entry("type", "hang")?,
            Message::Report => serialize_report(call, &mut map)?,
        }
        map.serialize_entry(
            "call",
            &CallView {
                call,
                limits: None,
                has_report: false,
            },
        )?;
        map.serialize_entry("customer", &call.customer)?;
        if let Some(id) = &call.phone_number_id {
            map.serialize_entry("phoneNumber", &json!({ "id": id }))?;
        }
        if let Some(id) = &call.assistant_id {
            map.serialize_entry("assistant", &json!({ "id": id }))?;
        }
        map.end()
    }
}

fn serialize_report<M: SerializeMap>(call: &Call, map: &mut M) -> Result<(), M::Error> {
    let report = Report::of(call);
    map.serialize_entry("type", "end-of-call-report")?;
    map.serialize_entry("endedReason", &call.ended_reason)?;
    for (key, at) in [("startedAt", call.started_at), ("endedAt", call.ended_at)] {
        if let Some(at) = at {
            map.serialize_entry(key, &time::with_milliseconds(at))?;
        }
    }
    map.serialize_entry("durationSeconds", &report.seconds)?;
    map.serialize_entry("cost", &report.cost)?;
    map.serialize_entry("costs", &report.costs)?;
    map.serialize_entry("costBreakdown", &report.cost_breakdown)?;
    for key in [
        "transcript",
        "recordingUrl",
        "stereoRecordingUrl",
        "messages",
    ] {
        if let Some(value) = report.artifact.get(key) {
            map.serialize_entry(key, value)?;
        }
    }
    if let Some(summary) = report.analysis.get("summary") {
        map.serialize_entry("summary", summary)?;
    }
    map.serialize_entry("analysis", &report.analysis)?;
    map.serialize_entry("artifact", &report.artifact)
}

/// What the vendor knows about a call once it is over. Duration and cost are in scenario time, so
/// that an accelerated call costs what a real one would.
struct Report {
    seconds: f64,
    cost: f64,
    costs: Value,
    cost_breakdown: Value,
    analysis: Value,
    artifact: Value,
}

/// US dollars a minute for transport and for the vendor's own service.
const TRANSPORT_PER_MINUTE: f64 = 0.014;
const SERVICE_PER_MINUTE: f64 = 0.05;

impl Report {
    fn of(call: &Call) -> Self {
        let seconds = round(call.talked_seconds(), 1e3);
        let minutes = round(seconds / 60.0, 1e4);
        let transport = round(minutes * TRANSPORT_PER_MINUTE, 1e4);
        let service = round(minutes * SERVICE_PER_MINUTE, 1e4);
        let cost = round(transport + service, 1e4);
        let (analysis, artifact) = conversation(call);
        Self {
            seconds,
            cost,
            costs: json!([
                {"type": "transport", "provider": "twilio", "minutes": minutes, "cost": transport},
                {"type": "vapi", "subType": "normal", "minutes": minutes, "cost": service},
            ]),
            cost_breakdown: json!({
                "transport": transport, "stt": 0, "llm": 0, "tts": 0, "vapi": service, "total": cost
            }),
            analysis,
            artifact,
        }
    }
}

fn round(value: f64, unit: f64) -> f64 {
    (value * unit).round() / unit
}

/// What was said, with the analysis of it; both empty when nobody answered.
fn conversation(call: &Call) -> (Value, Value) {
    if call.started_at.is_none() {
        return (json!({}), json!({"messages": []}));
    }
    let is_machine = call.ended_reason.as_deref() == Some("voicemail");
    let script = if is_machine {
        &MACHINE
    } else {
        let choice = usize::try_from(call.id % (TALKS.len() as u128)).unwrap_or(0);
        &TALKS[choice]
    };
    let lines: Vec<String> = script
        .turns
        .iter()
        .map(|(speaker, line)| format!("{}: {line}", speaker.label()))
        .collect();
    let messages: Vec<Value> = script
        .turns
        .iter()
        .map(|(speaker, line)| json!({"role": speaker.role(), "message": line}))
        .collect();
    let id = uuid_text(call.id);
    let recording = format!("{}/vapi/call/{id}/mono-recording.wav", call.origin);
    let stereo = format!("{}/vapi/call/{id}/stereo-recording.wav", call.origin);
    let analysis = json!({
        "summary": script.summary,
        "successEvaluation": script.success,
        "structuredData": {"interested": script.success == "true"},
    });
    let artifact = json!({
        "transcript": format!("{}\n", lines.join("\n")),
        "messages": messages,
        "recordingUrl": recording,
        "stereoRecordingUrl": stereo,
        "recording": {"mono": {"combinedUrl": recording}, "stereoUrl": stereo},
    });
    (analysis, artifact)
}

#[derive(Clone, Copy)]
enum Speaker {
    Assistant,
    Customer,
}

impl Speaker {
    fn label(self) -> &'static str {
        match self {
            Self::Assistant => "AI",
            Self::Customer => "User",
        }
    }

    fn role(self) -> &'static str {
        match self {
            Self::Assistant => "bot",
            Self::Customer => "user",
        }
    }
}

struct Talk {
    turns: &'static [(Speaker, &'static str)],
    summary: &'static str,
    success: &'static str,
}

const MACHINE: Talk = Talk {
    turns: &[(
        Speaker::Customer,
        "You have reached my voicemail. Please leave a message after the tone.",
    )],
    summary: "The call was answered by a voicemail system; no person was reached.",
    success: "false",
};

const TALKS: [Talk; 3] = [
    Talk {
        turns: &[
            (
                Speaker::Assistant,
                "Hello, this is the sandbox assistant. Do you have a minute?",
            ),
            (Speaker::Customer, "Yes, go ahead."),
            (
                Speaker::Assistant,
                "Would you like to book an appointment for next week?",
            ),
            (Speaker::Customer, "Tuesday afternoon works for me."),
            (Speaker::Assistant, "Booked. Thank you, and goodbye."),
        ],
        summary: "The customer booked an appointment for Tuesday afternoon.",
        success: "true",
    },
    Talk {
        turns: &[
            (
                Speaker::Assistant,
                "Hello, this is the sandbox assistant. Do you have a minute?",
            ),
            (
                Speaker::Customer,
                "I am at work right now, please call back later.",
            ),
            (
                Speaker::Assistant,
                "Of course. I will try again another time. Goodbye.",
            ),
        ],
        summary: "The customer was busy and asked to be called back later.",
        success: "false",
    },
    Talk {
        turns: &[
            (
                Speaker::Assistant,
                "Hello, this is the sandbox assistant. Do you have a minute?",
            ),
            (Speaker::Customer, "No thanks, I am not interested."),
            (
                Speaker::Assistant,
                "I understand. Thank you for your time, goodbye.",
            ),
        ],
        summary: "The customer was not interested.",
        success: "false",
    },
];

/// JSON of a type that cannot fail to serialise: all map keys are strings and nothing else can go
/// wrong.
fn to_json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

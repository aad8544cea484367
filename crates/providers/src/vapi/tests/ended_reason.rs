//! The mapping of `endedReason`, row by row, and over every value the SDK lists.

use domain::Outcome;

use super::instant;
use crate::model::EndFault;
use crate::vapi::ended_reason::judge;

/// `CallEndedReason` of `vapi_server_sdk` 3.0.0: 604 values, one a line.
const ALL_REASONS: &str = include_str!("ended_reasons.txt");

/// The rows of the mapping with every value written out that is not one of a large family, and
/// samples of those. Some are not in the SDK and stand for what a release may add.
const ROWS: &[(Outcome, EndFault, &[&str])] = &[
    (Outcome::Voicemail, EndFault::None, &["voicemail"]),
    (
        Outcome::NoAnswer,
        EndFault::None,
        &[
            "customer-did-not-answer",
            "call.in-progress.error-providerfault-outbound-sip-480-temporarily-unavailable",
            "call.in-progress.error-providerfault-outbound-sip-408-request-timeout",
            "call.ringing.error-outbound-sip-480-gone-fishing",
        ],
    ),
    (Outcome::Busy, EndFault::None, &["customer-busy"]),
    (Outcome::Rejected, EndFault::None, &["vonage-rejected"]),
    (
        Outcome::InvalidNumber,
        EndFault::None,
        &[
            "twilio-reported-customer-misdialed",
            "sip-outbound-unallocated-number",
        ],
    ),
    (
        Outcome::Canceled,
        EndFault::None,
        &[
            "manually-canceled",
            "scheduled-call-deleted",
            "call-deleted",
        ],
    ),
    (
        Outcome::FailedTransient,
        EndFault::Capacity,
        &["call.start.error-subscription-concurrency-limit-reached"],
    ),
    (
        Outcome::FailedTransient,
        EndFault::NumberDailyLimit,
        &["call.start.error-vapi-number-outbound-daily-limit"],
    ),
    (
        Outcome::FailedTransient,
        EndFault::None,
        &[
            "call.start.error-vapifault-get-org",
            "call.start.error-vapifault-get-subscription",
            "call.start.error-vapifault-database-error",
            "call.start.error-vapifault-worker-not-available",
        ],
    ),
    (
        Outcome::FailedPermanent,
        EndFault::Configuration,
        &[
            "call.start.error-get-assistant",
            "call.start.error-get-phone-number",
            "call.start.error-get-customer",
            "call.start.error-get-resources-validation",
            "call.start.error-get-transport",
            "call.start.error-get-org",
            "call.start.error-get-subscription",
            "call.start.error-vapi-number-international",
            "call.start.error-subscription-wallet-does-not-exist",
            "call.start.error-fraud-check-failed",
            "call.start.error-subscription-frozen",
            "call.start.error-subscription-insufficient-credits",
            "call.start.error-subscription-upgrade-failed",
            "call.start.error-enterprise-feature-not-available-recording-consent",
            "call.start.assistant-version-error-validation",
            "call.start.squad-version-error-validation",
            "call-start-error-neither-assistant-nor-server-set",
            "assistant-not-valid",
            "assistant-not-found",
            "assistant-request-failed",
            "assistant-request-returned-error",
            "assistant-request-returned-unspeakable-error",
            "assistant-request-returned-invalid-assistant",
            "assistant-request-returned-no-assistant",
            "assistant-request-returned-forwarding-phone-number",
            "call.in-progress.error-configfault-model-unsupported-in-squad",
            "call.in-progress.error-configfault-transport-unsupported-for-model",
            "call.in-progress.error-providerfault-outbound-sip-403-forbidden",
            "call.in-progress.error-providerfault-outbound-sip-407-proxy-authentication-required",
        ],
    ),
    (
        Outcome::Answered,
        EndFault::None,
        &[
            "customer-ended-call",
            "customer-ended-call-before-warm-transfer",
            "customer-ended-call-after-warm-transfer-attempt",
            "customer-ended-call-during-transfer",
            "assistant-ended-call",
            "assistant-ended-call-with-hangup-task",
            "assistant-ended-call-after-message-spoken",
            "assistant-said-end-call-phrase",
            "assistant-forwarded-call",
            "exceeded-max-duration",
            "silence-timed-out",
            "call.forwarding.operator-busy",
            "call.forwarding.no-answer",
            "call.ending.hook-executed-say",
            "call.ending.hook-executed-transfer",
            "call.in-progress.twilio-completed-call",
            "call.in-progress.sip-completed-call",
            "vonage-completed",
            "call.in-progress.error-warm-transfer-max-duration",
            "call.in-progress.error-warm-transfer-assistant-cancelled",
            "call.in-progress.error-warm-transfer-silence-timeout",
            "call.in-progress.error-warm-transfer-microphone-timeout",
            "call.in-progress.error-transfer-failed",
        ],
    ),
    (
        Outcome::FailedPermanent,
        EndFault::Configuration,
        &[
            "pipeline-error-openai-401-unauthorized",
            "pipeline-error-openai-403-model-access-denied",
            "pipeline-error-openai-429-exceeded-quota",
            "pipeline-error-eleven-labs-invalid-api-key",
            "pipeline-error-eleven-labs-voice-not-found",
            "pipeline-error-assembly-ai-returning-400-insufficent-funds",
            "call.in-progress.error-vapifault-openai-401-incorrect-api-key",
            "call.in-progress.error-vapifault-anthropic-403-model-access-denied",
            "call.in-progress.error-vapifault-eleven-labs-quota-exceeded",
            "call.in-progress.error-vapifault-eleven-labs-voice-not-found",
            "call.in-progress.error-vapifault-eleven-labs-invalid-api-key",
            "call.in-progress.error-vapifault-assembly-ai-returning-400-insufficent-funds",
        ],
    ),
    (
        Outcome::FailedTransient,
        EndFault::None,
        &[
            "call.in-progress.error-sip-outbound-call-failed-to-connect",
            "call.in-progress.error-sip-inbound-call-failed-to-connect",
            "call.in-progress.error-pipeline-no-available-llm-model",
            "call.in-progress.error-pipeline-ws-model-connection-failed",
            "call.in-progress.error-assistant-did-not-receive-customer-audio",
            "call.in-progress.error-providerfault-outbound-sip-503-service-unavailable",
            "call.in-progress.error-providerfault-transport-never-connected",
            "call.in-progress.error-providerfault-openai-500-server-error",
            "call.in-progress.error-vapifault-transport-never-connected",
            "call.in-progress.error-vapifault-worker-died",
            "call.in-progress.error-vapifault-chat-pipeline-failed-to-start",
            "pipeline-error-openai-500-server-error",
            "pipeline-error-deepgram-returning-econnreset",
            "worker-shutdown",
            "twilio-failed-to-connect-call",
            "vonage-failed-to-connect-call",
            "vonage-disconnected",
            "phone-call-provider-bypass-enabled-but-no-call-received",
            "phone-call-provider-closed-websocket",
            "assistant-join-timed-out",
            "sip-outbound-carrier-released-call",
            "call.ringing.error-sip-inbound-call-failed-to-connect",
            "call.ringing.hook-executed-say",
            "call.ringing.hook-executed-transfer",
            "call.ringing.sip-inbound-caller-hungup-before-call-connect",
        ],
    ),
];

#[test]
fn every_row_of_the_mapping_holds_whether_or_not_the_conversation_began() {
    let began = Some(instant("2026-03-26T15:43:16Z"));
    for (outcome, fault, reasons) in ROWS {
        for reason in *reasons {
            for started_at in [None, began] {
                let judged = judge(Some(reason), started_at);
                assert_eq!(
                    (judged.outcome, judged.fault),
                    (*outcome, *fault),
                    "{reason}"
                );
                assert!(judged.recognised, "{reason}");
            }
        }
    }
}

#[test]
fn of_all_listed_reasons_only_one_fits_no_rule() {
    let unknown: Vec<&str> = ALL_REASONS
        .lines()
        .filter(|reason| !judge(Some(reason), None).recognised)
        .collect();
    assert_eq!(ALL_REASONS.lines().count(), 604);
    // It belongs to calls in a browser, which we do not place.
    assert_eq!(unknown, ["customer-did-not-give-microphone-permission"]);
}

#[test]
fn the_large_families_fail_and_name_no_conversation_unless_a_transfer_was_tried() {
    let families = [
        ("call.in-progress.error-vapifault-", 180),
        ("call.in-progress.error-providerfault-", 88),
        ("pipeline-error-", 255),
    ];
    for (family, size) in families {
        let members: Vec<&str> = ALL_REASONS
            .lines()
            .filter(|reason| reason.starts_with(family))
            .collect();
        assert_eq!(members.len(), size, "{family}");
        for reason in members {
            let judged = judge(Some(reason), None);
            let by_key = [
                "-401-",
                "-403-",
                "-407-",
                "invalid-api-key",
                "voice-not-found",
                "quota",
            ]
            .iter()
            .any(|text| reason.contains(text))
                || reason.contains("insufficent-funds");
            let expected = if reason.contains("-sip-480-") || reason.contains("-sip-408-") {
                (Outcome::NoAnswer, EndFault::None)
            } else if by_key {
                (Outcome::FailedPermanent, EndFault::Configuration)
            } else {
                (Outcome::FailedTransient, EndFault::None)
            };
            assert_eq!((judged.outcome, judged.fault), expected, "{reason}");
        }
    }
}

#[test]
fn every_single_value_is_written_out_in_a_row() {
    let large = [
        "call.in-progress.error-vapifault-",
        "call.in-progress.error-providerfault-",
    ];
    let written: Vec<&str> = ROWS
        .iter()
        .flat_map(|(_, _, reasons)| *reasons)
        .copied()
        .collect();
    for reason in ALL_REASONS.lines() {
        let in_family = reason.starts_with("pipeline-error-")
            || large.iter().any(|family| reason.starts_with(family))
            || reason == "customer-did-not-give-microphone-permission";
        assert!(
            in_family || written.contains(&reason),
            "{reason} has no test"
        );
    }
}

#[test]
fn what_no_rule_knows_is_judged_by_whether_the_conversation_began() {
    let began = Some(instant("2026-03-26T15:43:16Z"));
    for reason in [
        None,
        Some(""),
        Some("solar-flare"),
        Some("Customer-Busy"),
        Some("quota"),
    ] {
        let (before, after) = (judge(reason, None), judge(reason, began));
        assert_eq!(before.outcome, Outcome::FailedTransient, "{reason:?}");
        assert_eq!(after.outcome, Outcome::Answered, "{reason:?}");
        for judged in [before, after] {
            assert_eq!(
                (judged.fault, judged.recognised),
                (EndFault::None, false),
                "{reason:?}"
            );
        }
    }
}

//! The suite that every back end passes.
//!
//! Each case gets a fresh store and speaks to it through [`Store`](crate::Store) only, so it tests
//! what an operation means and not how it is done. A back end under test implements [`Bench`] and
//! calls [`conformance_suite!`](crate::conformance_suite), which makes one test of each case.

#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "tests, though compiled as a library so that every back end can run them"
)]

pub mod calls;
pub mod campaign_edit;
pub mod campaign_life;
pub mod campaign_replan;
pub mod campaigns;
pub mod dialing;
pub mod do_not_call;
pub mod fixture;
pub mod hold;
pub mod idempotency;
pub mod imports;
pub mod lead_edit;
pub mod lead_reads;
pub mod leads;
pub mod lines;
pub mod look_ups;
pub mod pools;
pub mod preconditions;
pub mod promises;
pub mod server;
pub mod steps;
pub mod test_calls;
pub mod tokens;
pub mod turns;

use crate::trait_::Store;

/// A back end under test.
pub trait Bench {
    /// A fresh, empty store.
    fn open() -> Self;
    /// The store.
    fn store(&self) -> &dyn Store;
    /// Called after each case: checks what must be true of whatever is stored.
    fn check(self);
}

/// One `#[tokio::test]` for each case, against fresh stores of a [`Bench`].
#[macro_export]
macro_rules! conformance_suite {
    ($bench:ty) => {
        $crate::conformance_suite! { @cases $bench;
            tokens {
                a_tenant_is_made_once,
                tenants_are_listed_newest_first,
                a_token_is_found_by_its_hash_in_any_state,
                tokens_are_listed_newest_first,
                a_deleted_token_is_gone,
                tokens_of_another_tenant_are_not_found,
            }
            dialing {
                a_lost_call_that_is_not_listed_frees_its_slot_but_not_its_lead,
                a_call_found_again_beside_its_successor_harms_neither,
                a_late_answer_of_an_older_call_stops_the_lead,
                a_late_word_that_the_number_is_wrong_stops_the_lead,
                doubled_facts_change_nothing,
                a_tick_for_no_calls_reserves_none,
            }
            turns {
                many_campaigns_of_a_line_take_turns_past_those_that_sleep,
            }
            preconditions {
                a_stale_change_changes_nothing,
                of_many_changes_of_one_revision_one_is_done,
                another_tenants_object_is_missing_before_it_is_stale,
                tokens_and_tenants_count_their_changes,
            }
            look_ups {
                look_ups_are_handed_out_as_far_as_their_line_has_room,
            }
            idempotency {
                a_repeated_request_has_one_effect_and_one_answer,
                another_request_with_the_same_key_is_refused,
                a_key_counts_within_its_tenant_and_operation,
                a_key_is_forgotten_after_a_day,
                a_refused_request_keeps_no_answer,
                an_answer_is_kept_alone_and_replaced_for_the_same_request_only,
                a_repeated_answer_waits_for_calls_that_are_on_their_way,
            }
            lines {
                a_line_keeps_what_it_was_given,
                a_change_leaves_absent_fields_and_counts_a_revision,
                a_stale_change_of_a_line_is_refused,
                a_line_in_use_is_not_deleted,
                lines_are_listed_newest_first,
                lines_of_another_tenant_are_not_found,
                a_mended_account_is_tried_at_once,
                a_line_that_fails_in_a_row_rests_longer_each_time,
                a_fault_of_a_line_that_is_told_again_counts_once,
                new_limits_of_a_line_hold_at_once,
            }
            pools {
                a_pool_keeps_its_numbers_in_order,
                a_pool_lists_a_number_once,
                a_pool_is_replaced_as_a_whole,
                a_pool_in_use_is_not_deleted,
                pools_of_another_tenant_are_not_found,
                health_counts_the_last_day_by_number,
                rotation_survives_a_change_of_the_pool,
                a_number_that_leaves_takes_its_unsent_calls_back,
            }
            campaigns {
                a_new_campaign_is_a_draft_at_revision_one,
                a_campaign_needs_a_line_and_pool_of_its_tenant,
                a_copy_takes_the_leads_with_fresh_caps,
                campaigns_are_filtered,
                pages_are_stable_while_campaigns_are_added,
                only_drafts_and_archived_campaigns_are_deleted,
                campaigns_of_another_tenant_are_not_found,
            }
            campaign_edit {
                an_update_counts_a_revision_and_keeps_what_changed,
                an_update_that_changes_nothing_is_no_revision,
                a_stale_update_is_refused,
                a_draft_may_change_everything,
                a_running_campaign_keeps_its_line,
                a_paused_campaign_may_change_its_line,
                a_closed_campaign_keeps_everything_that_dials,
                a_new_end_date_reopens_a_completed_campaign,
                an_update_needs_a_line_and_pool_of_its_tenant,
                an_update_may_verify_a_campaign,
            }
            campaign_replan {
                an_update_takes_back_what_was_not_sent,
                a_looser_policy_is_felt_at_once,
                a_mended_campaign_is_tried_at_once,
                a_reopened_campaign_calls_who_still_waits,
                a_narrower_pace_holds_from_the_last_call_on,
            }
            campaign_life {
                a_campaign_goes_through_its_life,
                a_campaign_that_begins_to_run_says_at_once_what_it_does,
                a_repeated_command_changes_nothing,
                an_illegal_command_names_the_legal_ones,
                pausing_lists_the_calls_that_are_up,
                pausing_takes_back_what_was_not_sent,
                pausing_waits_for_a_request_that_is_being_sent,
                commands_of_another_tenant_are_not_found,
            }
            leads {
                a_new_lead_is_ready_and_counted,
                a_new_lead_wakes_its_campaign,
                adding_a_number_again_updates_or_skips,
                adding_a_number_again_clears_what_is_given_as_null,
                custom_fields_merge_by_key,
                custom_fields_have_a_limit,
                a_number_on_the_do_not_call_list_is_added_as_opted_out,
                closed_campaigns_take_no_leads,
                a_new_lead_reopens_a_completed_campaign,
                payloads_come_in_order_and_without_removed_leads,
            }
            lead_reads {
                leads_are_filtered,
                pages_are_stable_while_leads_are_added,
                leads_are_found_by_id_and_number_in_their_campaign_only,
                attempts_are_counted_by_the_campaigns_day,
            }
            lead_edit {
                each_change_has_its_own_answer,
                absent_fields_stay_and_null_clears,
                a_change_that_changes_nothing_is_no_revision,
                a_requeued_lead_has_fresh_caps,
                only_reached_or_exhausted_leads_are_requeued,
                a_requeued_lead_reopens_a_completed_campaign,
                a_changed_lead_wakes_its_campaign,
                removed_leads_are_gone,
                a_campaign_whose_last_open_lead_is_removed_completes,
                removing_takes_back_what_was_not_sent,
                removing_and_adding_again_forgets_nothing,
                leads_of_another_tenant_are_not_found,
            }
            do_not_call {
                do_not_call_holds_in_every_campaign_of_the_tenant,
                a_denied_opt_out_stays_and_nothing_else_changes,
                taking_do_not_call_back_puts_leads_where_they_were,
                do_not_call_waits_for_a_call_that_is_up,
                a_lead_that_was_requeued_comes_back_ready,
                a_campaign_whose_last_lead_opts_out_completes,
            }
            imports {
                an_import_adds_its_leads_step_by_step,
                what_is_removed_after_an_import_was_queued_is_not_brought_back,
                an_import_wakes_its_campaign,
                an_import_counts_duplicates_as_asked,
                a_campaign_closed_meanwhile_rejects_the_rest,
                imports_run_one_after_the_other,
                closed_campaigns_queue_no_leads,
                imports_of_another_tenant_are_not_found,
            }
            calls {
                a_call_keeps_who_called_whom_and_why,
                a_clock_that_was_set_back_since_the_plan_loses_no_end,
                a_call_keeps_everything_it_left_behind,
                an_analysis_is_told_once_whatever_its_parts,
                calls_are_filtered_by_campaign_and_number,
                calls_are_filtered_by_state_outcome_and_time,
                calls_are_listed_newest_first,
                calls_stay_when_their_campaign_is_deleted,
                calls_of_another_tenant_are_not_found,
            }
            test_calls {
                numbers_for_test_calls_are_replaced_as_a_whole,
                a_test_call_is_handed_out_once_and_followed_like_any_other,
                a_test_call_counts_in_no_cap,
                a_test_call_keeps_to_the_limits_of_its_line,
                a_test_call_needs_a_campaign_that_may_dial_and_a_number_that_may_ring,
                pausing_takes_a_waiting_test_call_back,
                a_test_call_that_a_restart_gave_up_is_not_handed_out,
                test_calls_of_another_tenant_are_not_found,
            }
            steps {
                a_small_copy_is_whole_at_once,
                a_long_copy_comes_in_steps,
                a_campaign_does_not_end_while_its_leads_come,
                a_campaign_whose_last_leads_are_known_already_ends,
                tenants_take_turns_with_their_imports,
                a_deleted_campaign_is_gone_at_once_and_erased_in_steps,
                nothing_finds_leads_that_are_being_erased,
                a_campaign_that_is_being_copied_is_erased_after_that,
                deleting_a_copy_ends_the_copying,
                a_copy_of_another_tenants_campaign_brings_nothing,
            }
            hold {
                the_marker_moves_forward_with_every_tick_that_dials,
                on_hold_nothing_dials_and_the_campaign_says_so,
                a_hold_takes_back_what_was_not_sent,
                a_hold_waits_for_a_request_that_is_being_sent,
                each_reason_holds_until_it_is_gone,
                what_a_wrong_clock_put_off_is_due_when_it_is_right,
                leads_of_a_wrong_clock_are_called_when_it_is_right,
                news_of_a_call_is_taken_while_the_clock_is_behind_it,
                a_hold_survives_a_fresh_process,
                a_clock_that_is_behind_what_is_stored_holds,
                release_waits_for_every_line,
                what_lines_answered_before_says_nothing_of_another_loss,
                release_by_force_does_not_wait,
                what_may_be_forgotten_reaches_to_the_start_of_the_process,
                a_forgotten_call_takes_its_leads_place,
                a_forgotten_call_counts_in_the_caps_and_the_gap,
                a_forgotten_call_that_was_answered_ends_the_lead,
                a_forgotten_call_beside_a_live_one_harms_neither,
                what_a_forgotten_call_ended_a_lead_for_holds,
                a_forgotten_call_that_names_no_campaign_counts_in_each,
                a_forgotten_call_counts_for_a_lead_that_is_added_again,
                a_call_that_belongs_nowhere_is_noted_once,
                calls_found_on_hold_are_counted_by_line,
                a_call_that_is_known_is_not_strange,
                a_call_that_puts_on_hold_is_counted_with_its_line,
                a_call_of_another_tenant_is_known,
            }
            server {
                the_feed_is_read_in_order_and_without_gaps,
                a_healthy_store_answers,
                gauges_count_what_there_is,
                sweeping_deletes_only_expired_keys,
            }
        }
    };
    (@cases $bench:ty; $($group:ident { $($case:ident),+ $(,)? })+) => {
        $(mod $group {
            $(#[tokio::test]
            async fn $case() {
                let bench = <$bench as $crate::conformance::Bench>::open();
                $crate::conformance::$group::$case($crate::conformance::Bench::store(&bench)).await;
                $crate::conformance::Bench::check(bench);
            })+
        })+
    };
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// A case that no back end runs proves nothing.
    #[test]
    fn every_case_is_in_the_suite() {
        let suite = include_str!("conformance.rs");
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/conformance");
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            if path.ends_with("fixture.rs") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for line in text.lines() {
                let Some(rest) = line.strip_prefix("pub async fn ") else {
                    continue;
                };
                let name = rest.split('(').next().unwrap_or_default();
                assert!(
                    suite.contains(&format!(" {name},\n")),
                    "{name} of {}",
                    path.display()
                );
            }
        }
    }
}

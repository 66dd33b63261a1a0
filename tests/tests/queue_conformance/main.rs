//! What every queue promises, tried on each: SQLite, a real Redis of the test's own, one with a replica and sentinels, which
//! speak TLS, and shards on a Redis Cluster.
#![allow(clippy::wildcard_imports, clippy::trivially_copy_pass_by_ref, unreachable_pub)]

mod accepting;
mod claims;
mod dead_lettering;
mod erasing;
mod figures;
mod gating;
mod ledgering;
mod listing;
mod model;
mod operations;
mod order;
mod random;
mod redis_troubles;
mod rig;
mod sealing;
mod sqlite_full;
mod sqlite_pending_index;
mod sqlite_troubles;
mod suppressing;
mod waiting;
mod waking;

use std::sync::{Arc, Mutex};

use leadgate_tests::redis_cluster::RedisCluster;

macro_rules! on_all_queues {
    ($($module:ident: $($case:ident),+;)+) => {
        mod sqlite {
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    crate::$module::$case(crate::rig::Rig::sqlite().await).await;
                }
            )+)+
        }
        mod redis {
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    crate::$module::$case(crate::rig::Rig::redis().await).await;
                }
            )+)+
        }
        mod sentinel {
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    crate::$module::$case(crate::rig::Rig::sentinel().await).await;
                }
            )+)+
        }
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn all_of_it_holds_for_shards_on_a_cluster() {
            let cluster = tokio::task::block_in_place(|| RedisCluster::start(false).unwrap());
            let cluster = Arc::new(Mutex::new(cluster));
            let mut failed = Vec::new();
            $($(
                let rig = crate::rig::Rig::cluster(Arc::clone(&cluster)).await;
                // Each shard bounds its own entries: together, they are not exactly the newest.
                let is_of_one_store = stringify!($case) == "entries_are_bounded_in_time_and_bytes";
                if !is_of_one_store && tokio::spawn(crate::$module::$case(rig)).await.is_err() {
                    failed.push(stringify!($module::$case));
                }
            )+)+
            assert!(failed.is_empty(), "{failed:#?}");
        }
    };
}

on_all_queues! {
    accepting:
        a_lead_comes_out_as_it_went_in,
        empty_and_large_bodies_pass,
        no_leads_is_no_error,
        a_resend_is_a_duplicate_of_the_first,
        a_key_is_free_again_after_its_window,
        of_racing_copies_one_is_accepted,
        the_same_call_repeated_is_accepted_once,
        a_duplicate_inside_a_group_is_found,
        a_key_whose_lead_says_something_else_does_not_swallow,
        a_resend_is_recognised_by_what_was_posted_or_by_what_it_means,
        a_key_belongs_to_its_newest_lead,
        a_lead_that_goes_nowhere_is_kept_as_unrouted,
        a_large_group_is_one,
        groups_in_parallel_keep_their_answers,
        a_lead_for_two_sinks_waits_in_both,
        what_was_accepted_survives_a_crash;
    claims:
        one_contacts_leads_come_one_at_a_time_in_order,
        order_holds_through_a_retry,
        a_claim_takes_at_most_what_was_asked_oldest_first,
        what_was_never_tried_can_be_claimed_first,
        next_due_tells_when_to_come_back,
        sinks_do_not_hinder_each_other,
        a_dead_workers_lead_comes_back_and_is_unknown,
        a_lease_nobody_took_over_can_still_be_settled,
        a_renewed_lease_holds,
        settlements_stand_each_on_its_own,
        attempts_count_up_and_a_release_does_not_count,
        claims_without_an_outcome_are_counted_until_there_is_one,
        the_next_lead_starts_with_a_clean_slate,
        a_doubt_is_not_forgotten,
        a_doubt_is_as_old_as_the_last_attempt_that_caused_it,
        a_retry_waits_its_time,
        the_crm_record_is_remembered_for_a_while,
        leases_stay_in_force_through_a_crash,
        many_workers_deliver_each_lead_once;
    dead_lettering:
        a_dead_letter_is_shown_in_full,
        a_dead_letter_lets_the_next_lead_pass,
        a_lead_dead_in_two_sinks_is_shown_twice,
        a_replayed_lead_stands_by_its_age_with_its_attempts_cleared,
        a_replay_can_say_which_record_it_is,
        a_replay_leaves_a_claim_and_a_retry_in_force,
        a_discarded_lead_is_gone_and_counted,
        a_rejected_request_is_kept_and_counted,
        rejected_requests_are_bounded_in_bytes_by_webhook,
        an_erased_contact_is_gone_everywhere,
        what_outlives_its_retention_is_pruned_and_counted,
        unrouted_leads_are_discarded_erased_and_pruned_and_counted,
        dead_letters_survive_a_crash;
    ledgering:
        every_request_has_its_entry,
        an_accept_that_is_repeated_has_one_entry,
        an_entry_tells_what_happened_in_order,
        what_leaves_the_queue_by_hand_is_entered,
        entries_are_found_by_what_is_known_of_them,
        pages_of_entries_are_stable,
        the_entry_of_a_lead_stays_as_long_as_the_lead,
        entries_that_stay_do_not_keep_those_behind_them,
        entries_are_bounded_in_time_and_bytes,
        delivered_payloads_are_kept_and_replayed,
        a_kept_payload_knows_that_a_newer_lead_was_delivered,
        a_lead_that_is_tried_for_days_has_an_entry_that_ends;
    listing:
        lists_are_newest_first_and_paged,
        pages_of_leads_set_aside_together_leave_none_out,
        lists_are_filtered_by_sink_and_webhook,
        a_strange_cursor_or_limit_is_no_error;
    sealing:
        a_store_holds_nothing_readable,
        without_a_key_a_store_can_be_read,
        a_lead_whose_key_is_missing_waits_and_loses_nothing,
        keys_rotate_while_leads_come_and_go,
        a_moved_or_replaced_lead_stays_sealed;
    erasing:
        pending_leads_are_listed_with_their_bodies_if_asked,
        a_lead_under_delivery_is_erased_after_its_call,
        what_sinks_remember_of_a_contact_is_forgotten_and_its_leads_stay,
        a_cleared_entry_says_nothing_of_a_person,
        what_is_removed_leaves_the_files;
    suppressing:
        leads_of_a_suppressed_person_are_refused_counted_and_not_stored,
        a_preview_tells_what_an_accept_would_answer_and_changes_nothing,
        a_newer_ledger_key_hides_new_people_and_finds_all,
        a_store_is_not_used_with_another_ledger_key_or_without_it,
        a_number_besides_the_persons_own_is_told_apart_and_counts,
        a_suppression_holds_in_its_namespace,
        a_rejected_request_of_a_suppressed_person_is_not_kept,
        suppressions_survive_a_crash,
        a_lead_whose_person_is_known_later_is_found_and_removed;
    gating:
        without_limit_all_is_granted,
        the_limit_is_never_exceeded_in_any_window,
        a_limit_is_used_up_and_comes_back,
        the_limit_survives_a_crash,
        failures_in_a_row_open_the_circuit,
        an_open_circuit_grants_one_probe_at_a_time,
        a_breaker_of_zero_never_opens,
        a_pause_stops_all_and_the_later_end_wins,
        a_persons_pause_takes_the_place_of_a_persons,
        a_pause_ends_by_itself,
        resuming_closes_the_circuit_and_wakes;
    figures:
        unknown_names_have_empty_figures,
        the_figures_add_up,
        the_last_delivery_is_told,
        the_oldest_is_exact_whatever_its_state,
        a_replayed_lead_counts_from_its_replay;
    waiting:
        pending_leads_are_listed_in_full_and_paged,
        a_pending_lead_tells_why_it_waits,
        a_pending_lead_is_found_by_its_id_in_each_sink,
        a_pending_lead_is_taken_out_of_the_middle_the_end_and_the_front,
        a_lead_that_is_being_delivered_is_left_alone,
        an_expedited_line_is_due_now,
        a_lead_is_moved_to_another_sink,
        an_unrouted_lead_goes_where_it_is_sent,
        sinks_with_leads_are_told_whoever_names_them,
        what_was_put_in_survives_a_crash;
    order:
        replayed_leads_stand_by_their_time_of_acceptance,
        dead_letters_are_listed_in_the_order_of_acceptance,
        a_lead_that_a_newer_one_overtook_is_told_apart,
        an_older_lead_does_not_follow_a_newer_one_to_another_sink,
        a_sink_gets_a_lead_once,
        a_lead_goes_back_to_the_sink_that_it_came_from,
        overtaking_is_remembered_behind_what_failed;
    waking:
        a_push_wakes_whoever_waits,
        a_push_wakes_across_processes,
        a_push_before_the_wait_is_not_missed,
        a_wait_ends_when_its_time_is_over,
        the_next_lead_of_a_contact_wakes_when_the_first_is_settled,
        a_replay_wakes;
}

//! What every queue promises, tried on each: SQLite, and a real Redis of the test's own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]
#![allow(clippy::wildcard_imports, unreachable_pub)]

mod accepting;
mod lines;
mod rig;

macro_rules! on_both_queues {
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
    };
}

on_both_queues! {
    accepting:
        a_lead_comes_out_as_it_went_in,
        empty_and_large_bodies_pass,
        no_leads_is_no_error,
        a_resend_is_a_duplicate_of_the_first,
        a_key_is_free_again_after_its_window,
        of_racing_copies_one_is_accepted,
        the_same_call_repeated_is_accepted_once,
        a_duplicate_inside_a_group_is_found,
        a_large_group_is_one,
        groups_in_parallel_keep_their_answers,
        a_lead_for_two_sinks_waits_in_both,
        what_was_accepted_survives_a_crash;
    lines:
        one_contacts_leads_come_one_at_a_time_in_order,
        order_holds_through_a_retry,
        a_claim_takes_at_most_what_was_asked_oldest_first,
        next_due_tells_when_to_come_back,
        sinks_do_not_hinder_each_other,
        a_dead_workers_lead_comes_back_and_is_unknown,
        a_lease_nobody_took_over_can_still_be_settled,
        a_renewed_lease_holds,
        settlements_stand_each_on_its_own,
        attempts_count_up_and_a_release_does_not_count,
        the_next_lead_starts_with_a_clean_slate,
        an_unknown_outcome_is_not_forgotten,
        a_retry_waits_its_time,
        the_crm_record_is_remembered_for_a_while,
        leases_stay_in_force_through_a_crash,
        many_workers_deliver_each_lead_once;
}

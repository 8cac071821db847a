//! Runs each model in every order that its bound allows. A failure names the assertion that an order
//! has broken; `LOOM_LOG=trace` and `LOOM_LOCATION=1` show that order.

macro_rules! models {
    ($($part:ident::$file:ident: $($model:ident),+;)+) => {
        $($(
            #[test]
            fn $model() {
                graven_loom::$part::$file::$model();
            }
        )+)+
    };
}

models! {
    read::touches: a_page_counts_once, one_page_is_not_all;
    sigbus::faults:
        a_replaced_byte_is_known_as_lost,
        a_slot_that_changes_hands_is_passed_over,
        a_slot_that_one_thread_takes_again_is_passed_over,
        two_tables_never_share_a_slot;
    live::refreshing:
        a_hook_may_drop_the_handle,
        a_hook_may_start_another_thread,
        nobody_goes_back;
    live::hooks: a_hook_may_set_hooks;
    live::helping: no_work_after_the_drop, work_may_stop_its_helper;
    live::retiring:
        a_refresh_leaves_unmapping_to_a_thread,
        patience_has_an_end,
        the_last_use_is_waited_for;
}

"""Who wins a seat, told as stories over time: `t+301 bob holds A1 -> held`. The language is in world.py."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.unit.inventory.world import SALE, START, Story, World, person

from onsale.inventory.errors import _BY_REFUSAL, problem_of
from onsale.inventory.model import Ask, HoldState, Refusal, Refused, SeatState
from onsale.limits import HOLD_EXTENSION_MAX_S

SEVERAL = replace(SALE, several_holds=True)


def play(text, sale=SALE):
    Story(sale).play(text)


# -- a hold and its end ------------------------------------------------------------------------------------------------


def test_a_held_seat_is_taken_for_everybody_else():
    play("""
        t+0    ann holds A1 A2  -> held
        t+1    bob holds A2 A3  -> seats_taken A2
        t+1    look A1 A2 A3    -> held held free
        t+2    ann pays         -> sold
        t+3    bob holds A1 A3  -> seats_taken A1
    """)


def test_a_hold_past_its_deadline_is_free_to_take():
    """At the very instant, and without a sweep; until then it is not."""
    play("""
        t+0        ann holds A1 -> held
        t+299.999  bob holds A1 -> seats_taken A1
        t+300      bob holds A1 -> held
        t+301      ann pays     -> hold_lost
        t+302      ann extends  -> refused
        t+303      bob pays     -> sold
    """)


def test_a_swept_seat_is_free_to_take():
    play("""
        t+0    ann holds A1 -> held
        t+300  sweep        -> swept 1
        t+300  look A1      -> free
        t+301  bob holds A1 -> held
        t+302  ann pays     -> hold_lost
        t+302  look A1      -> held
    """)


@pytest.mark.parametrize("sweep", ["", "t+300 sweep -> swept 1"], ids=["not swept", "swept"])
def test_a_hold_that_ran_out_may_still_be_completed_while_nobody_took_a_seat_of_it(sweep):
    play(f"""
        t+0    ann holds A1 A2 -> held
        {sweep}
        t+400  ann pays        -> sold
        t+401  look A1 A2      -> sold sold
        t+402  bob holds A1    -> seats_taken A1
    """)


@pytest.mark.parametrize("sweep", ["", "t+300 sweep -> swept 1"], ids=["not swept", "swept"])
def test_a_hold_that_lost_one_seat_is_lost_whole(sweep):
    play(f"""
        t+0    ann holds A1 A2 -> held
        {sweep}
        t+301  bob holds A2    -> held
        t+302  ann pays        -> hold_lost
        t+303  cat holds A1    -> held
        t+304  ann releases    -> released
        t+305  look A1 A2      -> held held
    """)


def test_the_sweep_leaves_what_was_extended_or_sold():
    play("""
        t+0    ann holds A1 -> held
        t+0    bob holds A2 -> held
        t+290  ann extends  -> until 350
        t+290  bob pays     -> sold
        t+301  sweep        -> swept 0
        t+350  sweep        -> swept 1
        t+351  sweep        -> swept 0
    """)


# -- refusals, in their order ------------------------------------------------------------------------------------------


def test_reasons_for_a_refusal_are_looked_for_in_their_documented_order():
    """Each line repeats the fault of the one above it and adds the one that goes before it."""
    story = Story()
    story.play("""
        t+0  bob holds A1                    -> held
        t+0  ann holds B1 B2 B3 B4           -> held
        t+0  ann pays                        -> sold
        t+0  ann holds C1 key k              -> held
        t+1  ann holds A1                    -> seats_taken A1
        t+1  ann holds A1 A2 A3              -> person_limit
        t+1  ann holds A1 A2 E1              -> unknown_seat E1
        t+1  ann holds A1 A2 A3 A4 E1        -> too_many_seats
        t+36000  ann holds A1 A2 A3 A4 E1    -> sale_ended
        t+-1     ann holds A1 A2 A3 A4 E1    -> sale_not_open
        t+36000  stop                        -> done
        t+36000  ann holds A1 A2 A3 A4 E1    -> sale_stopped
        t+-1     ann holds A1 A2 A3 A4 E1    -> sale_stopped
        t+-1     ann holds A1 A2 A3 A4 E1 key k -> idempotency_key_reused
    """)


def test_every_refusal_has_a_problem_of_the_same_code_at_the_edge():
    for why in Refusal:
        problem = problem_of(Refused(why, (3,)))
        assert problem.code == why.value
        named = {Refusal.TAKEN: {"taken": [3]}, Refusal.UNKNOWN_SEAT: {"unknown": [3]}}
        assert problem.extra == named.get(why, {})
    assert list(_BY_REFUSAL) == list(Refusal)


def test_the_sale_opens_and_ends_on_the_instant():
    play("""
        t+-0.001    ann holds A1 -> sale_not_open
        t+0         ann holds A1 -> held
        t+35999.999 bob holds A2 -> held
        t+36000     bob holds A3 -> sale_ended
    """)


def test_a_stopped_sale_keeps_what_is_held_and_what_is_being_paid():
    play("""
        t+0    ann holds A1    -> held
        t+0    bob holds A2    -> held
        t+1    stop            -> done
        t+2    cat holds A3    -> sale_stopped
        t+3    ann holds A1    -> has #1
        t+290  ann extends     -> until 350
        t+301  bob pays        -> sold
        t+302  ann pays        -> sold
        t+303  go on           -> done
        t+304  cat holds A3    -> held
    """)


def test_what_the_sale_refuses_changes_nothing():
    play("""
        t+0  ann holds A1 A2 -> held
        t+1  ann holds A1 E9 -> unknown_seat E9
        t+1  look A1 A2      -> held held
        t+1  changes A1 A2   -> 1 1
        t+2  ann pays        -> sold
    """)


# -- asking again ------------------------------------------------------------------------------------------------------


def test_asking_for_other_seats_replaces_the_hold_in_one_step():
    play("""
        t+0  ann holds A1 A2 -> held
        t+1  ann holds A2 A3 -> held
        t+1  look A1 A2 A3   -> free held held
        t+2  ann pays #1     -> hold_lost
        t+3  ann pays #2     -> sold
    """)


def test_the_old_hold_is_kept_when_the_new_one_is_refused():
    play("""
        t+0  bob holds A5    -> held
        t+1  ann holds A1 A2 -> held
        t+2  ann holds A2 A5 -> seats_taken A5
        t+2  look A1 A2      -> held held
        t+3  ann pays        -> sold
    """)


def test_a_refresh_returns_the_active_hold_and_its_time():
    """In any order of the seats; the deadline does not move, or a page that reloads would sit on its seats for ever."""
    play("""
        t+0    ann holds A1 A2 -> held
        t+200  ann holds A2 A1 -> has #1
        t+300  bob holds A1    -> held
    """)


def test_a_hold_that_ran_out_is_not_returned_but_made_anew():
    play("""
        t+0    ann holds A1 A2 -> held
        t+301  ann holds A1 A2 -> held
        t+302  changes A1      -> 2
        t+600  bob holds A1    -> seats_taken A1
        t+601  bob holds A1    -> held
    """)


def test_a_repeated_key_gives_the_same_hold():
    """Even where a new request would be refused, and for other seats, which "best" may find the second time."""
    play("""
        t+0    ann holds A1 key k body best -> held
        t+1    ann holds A7 key k body best -> has #1
        t+2    stop                         -> done
        t+2    ann holds A1 key k body best -> has #1
        t+301  ann holds A1 key k body best -> has #1
    """)


def test_a_key_with_another_body_is_refused():
    play("""
        t+0  ann holds A1 key k -> held
        t+1  ann holds A2 key k -> idempotency_key_reused
        t+1  look A1 A2         -> held free
        t+2  bob holds A2 key k -> held
        t+3  ann holds A3 key l -> held
    """)


def test_a_key_is_forgotten_with_its_hold():
    play("""
        t+0  ann holds A1 key k -> held
        t+1  ann releases       -> released
        t+2  ann holds A1 key k -> held
    """)


# -- limits of a person ------------------------------------------------------------------------------------------------


def test_seats_bought_count_towards_the_limit_of_a_person():
    play("""
        t+0  ann holds A1 A2 A3 A4 -> held
        t+1  ann pays              -> sold
        t+2  ann holds B1 B2 B3    -> person_limit
        t+3  ann holds B1 B2       -> held
        t+4  ann holds B3 B4       -> held
        t+5  ann pays              -> sold
        t+6  ann holds C1          -> person_limit
    """)


def test_a_hold_that_is_replaced_does_not_count_towards_the_limit():
    play("""
        t+0  ann holds A1 A2 A3 A4 -> held
        t+1  ann holds B1 B2 B3 B4 -> held
        t+1  look A1 B1            -> free held
    """)


def test_seats_that_came_back_do_not_count_towards_the_limit():
    play("""
        t+0  ann holds A1 A2 A3 A4 -> held
        t+1  ann pays              -> sold
        t+2  ann holds B1 B2       -> held
        t+3  ann returns           -> returned 4
        t+3  look A1 A4 B1         -> free free held
        t+4  ann returns           -> returned 0
        t+5  ann holds C1 C2 C3 C4 -> held
    """)


# -- events where a person may have several holds ----------------------------------------------------------------------


def test_several_holds_stand_beside_each_other_up_to_the_limit():
    play(
        """
        t+0    ann holds A1 A2    -> held
        t+1    ann holds B1 B2 B3 -> held
        t+2    ann holds C1 C2    -> person_limit
        t+2    look A1 B1         -> held held
        t+3    ann holds C1       -> held
        t+4    ann holds B3 B2 B1 -> has #2
        t+5    ann pays #2        -> sold
        t+6    ann releases #1    -> released
        t+7    ann pays #3        -> sold
        """,
        SEVERAL,
    )


def test_a_seat_of_ones_own_other_hold_is_taken():
    play("t+0 ann holds A1 A2 -> held\nt+1 ann holds A2 A3 -> seats_taken A2\nt+2 ann pays -> sold", SEVERAL)


@pytest.mark.parametrize("sweep", ["", "t+300 sweep -> swept 1"], ids=["not swept", "swept"])
def test_a_hold_that_ran_out_does_not_count_towards_the_limit_swept_or_not(sweep):
    play(
        f"""
        t+0    ann holds A1 A2 A3 A4 -> held
        {sweep}
        t+301  ann holds B1 B2 B3    -> held
        t+302  ann holds B4 B5 B6    -> held
        t+303  ann pays #1           -> hold_lost
        """,
        SEVERAL,
    )


@pytest.mark.parametrize("sweep", ["", "t+300 sweep -> swept 1"], ids=["not swept", "swept"])
def test_a_seat_of_ones_own_hold_that_ran_out_is_free_to_take(sweep):
    play(f"t+0 ann holds A1 A2 -> held\n{sweep}\nt+301 ann holds A2 A3 -> held\nt+302 look A1 A2 -> free held", SEVERAL)


# -- more time ---------------------------------------------------------------------------------------------------------


def test_an_extension_gives_at_least_a_minute_and_never_takes_time_away():
    play("""
        t+0    ann holds A1 -> held
        t+10   ann extends  -> until 300
        t+290  ann extends  -> until 350
        t+349  bob holds A1 -> seats_taken A1
        t+350  bob holds A1 -> held
    """)


def test_an_extension_that_would_pass_the_bound_is_refused():
    bound = SALE.hold_s + HOLD_EXTENSION_MAX_S
    play(f"""
        t+0              ann holds A1 -> held
        t+{bound - 60}   ann extends  -> until {bound}
        t+{bound - 59.5} ann extends  -> refused
        t+{bound - 1}    bob holds A1 -> seats_taken A1
        t+{bound}        bob holds A1 -> held
    """)


@pytest.mark.parametrize("sweep", ["", "t+300 sweep -> swept 1"], ids=["not swept", "swept"])
def test_a_hold_that_ran_out_comes_back_to_life_while_nobody_took_a_seat_of_it(sweep):
    play(f"""
        t+0    ann holds A1 A2 -> held
        {sweep}
        t+320  ann extends     -> until 380
        t+321  look A1 A2      -> held held
        t+321  bob holds A2    -> seats_taken A2
        t+381  bob holds A2    -> held
        t+382  ann extends     -> refused
    """)


def test_a_hold_that_ended_gets_no_more_time():
    play("""
        t+0  ann holds A1   -> held
        t+1  ann releases   -> released
        t+2  ann extends    -> refused
        t+3  ann holds A1   -> held
        t+4  ann pays       -> sold
        t+5  ann extends    -> refused
        t+6  ann extends #1 -> refused
    """)


# -- the end of a hold -------------------------------------------------------------------------------------------------


def test_releasing_twice_changes_nothing_the_second_time():
    play("""
        t+0  ann holds A1 -> held
        t+1  ann releases -> released
        t+2  bob holds A1 -> held
        t+3  ann releases -> had ended
        t+4  ann pays     -> hold_lost
        t+5  look A1      -> held
        t+5  changes A1   -> 3
    """)


def test_paying_twice_sells_once():
    play("t+0 ann holds A1 -> held\nt+1 ann pays -> sold\nt+2 ann pays -> hold_lost\nt+3 ann releases -> had ended")


def test_a_returned_seat_can_be_sold_again_and_does_not_come_back_twice():
    play("""
        t+0  ann holds A1 A2 -> held
        t+1  ann pays        -> sold
        t+2  ann returns     -> returned 2
        t+3  bob holds A1    -> held
        t+4  bob pays        -> sold
        t+5  ann returns     -> returned 0
        t+6  look A1 A2      -> sold free
    """)


def test_a_change_number_rises_by_one_with_every_change_and_by_none_without():
    """The world asserts it for every write; here are the sums. Giving a seat up and taking it again is one change."""
    play("""
        t+0    ann holds A1 A2 -> held
        t+1    ann holds A2 A3 -> held
        t+1    changes A1 A2 A3 A4 -> 2 2 1 0
        t+2    ann extends     -> until 301
        t+2    changes A2      -> 3
        t+301  sweep           -> swept 1
        t+302  ann pays        -> sold
        t+303  ann returns     -> returned 2
        t+304  changes A1 A2 A3 -> 2 6 5
        t+305  bob holds A1 A9 & ann holds E1 -> held & unknown_seat E1
        t+306  bob holds A1 A9 -> has #1
        t+306  changes A1 A9   -> 3 1
    """)


def test_a_hold_knows_the_tier_of_each_of_its_seats():
    world = World()
    [hold] = world.hold(Ask(person("ann"), (3, 12, 31), 1))
    assert not isinstance(hold, Refused)
    assert (hold.tiers, hold.state, world.seats[3].state) == ((1, 2, 4), HoldState.ACTIVE, SeatState.HELD)
    assert (hold.expires_at, hold.max_until) == (START + timedelta(seconds=300), START + timedelta(seconds=600))


# -- the organiser's blocks --------------------------------------------------------------------------------------------


def test_a_blocked_seat_is_nobodys_until_it_is_put_back():
    play("""
        t+0  block A1 A2          -> blocked blocked
        t+1  ann holds A1 A3      -> seats_taken A1
        t+1  look A1 A2 A3        -> not_for_sale not_for_sale free
        t+2  unblock A1           -> free
        t+3  ann holds A1 A3      -> held
        t+4  ann pays             -> sold
        t+5  bob holds A2         -> seats_taken A2
    """)


def test_blocking_takes_what_is_free_and_names_what_it_must_not_touch():
    play("""
        t+0    ann holds A1 A2     -> held
        t+0    bob holds A3        -> held
        t+1    bob pays            -> sold
        t+2    block A1 A2 A3 A4   -> held held sold blocked
        t+2    changes A1 A2 A3 A4 -> 1 1 2 1
        t+299  ann pays            -> sold
        t+300  block A1 A2 A3 A4   -> sold sold sold blocked
    """)


def test_blocking_and_unblocking_again_changes_nothing():
    play("""
        t+0  block A1 A1     -> blocked blocked
        t+1  block A1        -> blocked
        t+1  changes A1 A2   -> 1 0
        t+2  unblock A1 A2   -> free free
        t+3  unblock A1 A2   -> free free
        t+3  changes A1 A2   -> 2 0
    """)


@pytest.mark.parametrize("sweep", ["", "t+300 sweep -> swept 1"], ids=["not swept", "swept"])
def test_a_run_out_hold_loses_a_blocked_seat_as_if_somebody_had_taken_it(sweep):
    play(f"""
        t+0        ann holds A1 A2 -> held
        t+299.999  block A1        -> held
        {sweep}
        t+300      block A1        -> blocked
        t+301      ann pays        -> hold_lost
        t+302      ann extends     -> refused
        t+303      unblock A1      -> free
        t+304      ann pays        -> hold_lost
        t+305      bob holds A1 A2 -> held
    """)


def test_the_sweep_and_a_release_leave_a_seat_that_was_blocked_meanwhile():
    play("""
        t+0    ann holds A1 A2 -> held
        t+0    bob holds A3 A4 -> held
        t+300  block A1 A3     -> blocked blocked
        t+300  ann releases    -> released
        t+301  sweep           -> swept 1
        t+301  look A1 A2 A3 A4 -> not_for_sale free not_for_sale free
        t+302  ann holds A2 A4 -> held
    """)


def test_unblocking_touches_nobodys_seat():
    play("""
        t+0    ann holds A1      -> held
        t+0    bob holds A2      -> held
        t+1    bob pays          -> sold
        t+2    unblock A1 A2 A3  -> held sold free
        t+300  unblock A1        -> free
        t+301  ann pays          -> sold
        t+302  changes A1 A2 A3  -> 2 2 0
    """)


def test_a_seat_that_is_not_there_refuses_the_whole():
    play("""
        t+0  block A1 E1 E2   -> unknown_seat E1 E2
        t+0  look A1          -> free
        t+1  block A1         -> blocked
        t+2  unblock A1 E1    -> unknown_seat E1
        t+2  look A1          -> not_for_sale
    """)


def test_a_stopped_sale_can_be_blocked_and_a_sold_seat_comes_back_free():
    play("""
        t+0  ann holds A1  -> held
        t+1  ann pays      -> sold
        t+2  stop          -> done
        t+3  block A1 A2   -> sold blocked
        t+4  ann returns   -> returned 1
        t+5  look A1 A2    -> free not_for_sale
    """)


# -- batches -----------------------------------------------------------------------------------------------------------


def test_a_refusal_in_a_batch_is_nobody_elses():
    play("""
        t+0  bob holds A9 -> held
        t+1  ann holds A1 & bob holds E1 & cat holds A9 & dan holds A4 -> held & unknown_seat E1 & seats_taken A9 & held
        t+2  look A1 A4 A9 -> held held held
    """)


@pytest.mark.parametrize("sweep", ["", "t+300 sweep -> swept 1"], ids=["not swept", "swept"])
@pytest.mark.parametrize(
    "batch",
    ["bob holds A1 & ann holds A5 -> held & held", "ann holds A5 & bob holds A1 -> held & held"],
    ids=["taker first", "former owner first"],
)
def test_who_takes_a_run_out_seat_keeps_it_when_its_former_owner_asks_in_the_same_batch(sweep, batch):
    """The former owner's old hold is replaced and gives its seats back: not the one that has just been taken."""
    play(f"""
        t+0    ann holds A1 A2 -> held
        {sweep}
        t+301  {batch}
        t+301  look A1 A2 A5 -> held free held
        t+302  cat holds A1  -> seats_taken A1
        t+303  bob pays      -> sold
    """)

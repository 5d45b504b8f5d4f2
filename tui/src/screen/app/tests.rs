use std::time::Duration;

use ratatui::crossterm::event::{KeyCode, KeyModifiers};
use swarm_node::{Command, Snapshot, State};

use super::*;
use crate::{
    host::{EntryId, Order, Phase},
    output::sample as snapshots,
    screen::sample::{self, downloading, entry, news, press, session},
};

fn one(snapshot: &Snapshot) -> App {
    let mut app = App::new(Kind::One { verb: "get" });
    app.update(news(1, vec![entry(0, snapshot)]));
    app
}

fn engine(id: u64, command: Command) -> Vec<Effect> {
    vec![Effect::Order(Order::Engine { id: EntryId(id), command })]
}

#[test]
fn rates_are_kept_once_a_second_and_for_ten_minutes() {
    let mut app = App::new(Kind::Session);
    let at =
        |second, down_rate| news(second, vec![entry(1, &Snapshot { down_rate, ..downloading() })]);
    app.update(at(1, 5));
    app.update(at(1, 6));
    assert_eq!(app.scene().rates(EntryId(1)), &[(5, 5 << 20)]);
    for second in 2..1000 {
        app.update(at(second, second));
    }
    assert_eq!(app.scene().rates(EntryId(1)).len(), HISTORY_S);
    assert_eq!(app.scene().rates(EntryId(1)).back(), Some(&(999, 5 << 20)));
}

#[test]
fn a_frozen_screen_stands_still_and_then_catches_up() {
    let mut app = one(&downloading());
    press(&mut app, "f");
    app.update(news(2, vec![entry(0, &downloading())]));
    assert_eq!(app.scene().now, Duration::from_secs(1));
    press(&mut app, "f");
    assert_eq!(app.scene().now, Duration::from_secs(2));
    assert_eq!(app.scene().rates(EntryId(0)).len(), 2);
}

#[test]
fn the_pause_key_undoes_a_pause() {
    let mut app = one(&downloading());
    assert_eq!(press(&mut app, "p"), engine(0, Command::Pause));
    let paused = Snapshot { state: State::Paused, ..downloading() };
    app.update(news(2, vec![entry(0, &paused)]));
    assert_eq!(press(&mut app, "p"), engine(0, Command::Resume));
}

#[test]
fn a_list_scrolls_no_further_than_its_last_row() {
    let mut app = one(&downloading());
    press(&mut app, "2jjjjj");
    assert_eq!(app.cursor(), Some(1), "two peers");
    press(&mut app, "kkkk");
    assert_eq!(app.cursor(), Some(0));
}

#[test]
fn the_selection_stays_with_its_transfer() {
    let mut app = session();
    press(&mut app, "j");
    assert_eq!(app.entry().unwrap().id, EntryId(2));
    let two_and_new = vec![entry(9, &downloading()), entry(2, &downloading())];
    app.update(news(50, two_and_new));
    assert_eq!(app.entry().unwrap().id, EntryId(2));
    assert_eq!(app.cursor(), Some(1));
}

#[test]
fn the_next_row_is_selected_when_the_selected_one_goes() {
    let mut app = session();
    press(&mut app, "j");
    let left = [1, 3, 4].map(|id| entry(id, &downloading())).to_vec();
    app.update(news(42, left));
    assert_eq!(app.entry().unwrap().id, EntryId(3));
    app.update(news(42, vec![entry(1, &downloading())]));
    assert_eq!(app.entry().unwrap().id, EntryId(1), "the last one goes, the one before is left");
}

#[test]
fn who_takes_the_transfer_that_he_looks_at_off_the_list_is_back_at_the_list() {
    let mut app = session();
    press(&mut app, "5");
    assert_eq!(app.page, Page::Files);
    assert_eq!(press(&mut app, "d").len(), 1);
    assert!(app.notice.as_ref().unwrap().text.ends_with("what is on the disk stays"));
    app.update(news(9, Vec::new()));
    assert_eq!((app.page, app.entry()), (Page::Transfers, None));
}

#[test]
fn quitting_a_download_asks_nothing() {
    let mut app = one(&downloading());
    assert_eq!(press(&mut app, "q"), [Effect::Quit]);
    assert!(app.stopping);
}

#[test]
fn quitting_asks_when_others_would_be_left_with_half_a_share() {
    let mut app = session();
    let mut alone = snapshots::seeding();
    alone.peers.remove(0);
    let own = Entry { origin: crate::host::Origin::Own, ..entry(1, &alone) };
    app.update(news(50, vec![own]));
    assert_eq!(press(&mut app, "q"), []);
    assert!(matches!(app.modal, Some(Modal::Confirm(_))));
    assert_eq!(press(&mut app, "\n"), [], "Enter means no");
    assert_eq!(app.modal, None);
    assert_eq!(press(&mut app, "qy"), [Effect::Quit]);
}

#[test]
fn deleting_asks_and_forgetting_does_not() {
    let mut app = session();
    let remove = |delete| vec![Effect::Order(Order::Remove { id: EntryId(1), delete })];
    assert_eq!(press(&mut app, "d"), remove(false));
    assert_eq!(press(&mut app, "D\n"), []);
    assert_eq!(press(&mut app, "Dy"), remove(true));
}

#[test]
fn a_pasted_link_is_offered_to_be_added() {
    let mut app = session();
    app.update(Action::Paste("  swarm:?id=abc\n".into()));
    let link = "swarm:?id=abc".to_owned();
    let add = Effect::Order(Order::AddLink { link, output: None });
    assert_eq!(press(&mut app, "\n"), [add]);
}

#[test]
fn the_banner_takes_an_answer_and_does_not_block() {
    let mut app = session();
    assert_eq!(app.banner().unwrap().id, EntryId(3));
    press(&mut app, "j");
    assert_eq!(app.entry().unwrap().id, EntryId(2), "other keys work meanwhile");
    let share = Order::Share { id: EntryId(3), policy: crate::share::Policy::Ratio(1.0) };
    assert_eq!(press(&mut app, "t"), [Effect::Order(share)]);
}

#[test]
fn a_command_of_one_transfer_asks_too_and_takes_the_answer() {
    let mut app = App::new(Kind::One { verb: "get" });
    let whole = Snapshot { have: vec![0xff; 113], ..snapshots::seeding() };
    app.update(news(1, vec![Entry { decided: false, ..entry(0, &whole) }]));
    let share = |policy| vec![Effect::Order(Order::Share { id: EntryId(0), policy })];
    assert_eq!(press(&mut app, "x"), share(crate::share::Policy::Never));
    assert_eq!(press(&mut app, ":share ratio:2\n"), share(crate::share::Policy::Ratio(2.0)));
    sample::assert_screen(&app, 80, 24, "banner-80x24");

    let mut app = App::new(Kind::One { verb: "seed" });
    let own = Entry { origin: crate::host::Origin::Own, ..entry(0, &snapshots::seeding()) };
    app.update(news(1, vec![own]));
    assert_eq!(app.banner(), None);
    assert_eq!(press(&mut app, ":share never\n"), []);
}

#[test]
fn quitting_asks_while_the_users_program_runs() {
    let mut app = session();
    app.update(news(50, vec![Entry { hooked: true, ..entry(1, &snapshots::seeding()) }]));
    assert_eq!(press(&mut app, "q"), []);
    assert_eq!(press(&mut app, "y"), [Effect::Quit]);
}

#[test]
fn a_limit_is_typed_and_a_wrong_one_is_refused() {
    let mut app = one(&downloading());
    assert_eq!(press(&mut app, "lfast\n"), []);
    let Some(Modal::Prompt(prompt)) = &app.modal else { panic!("the line stays") };
    assert!(prompt.error.as_ref().unwrap().starts_with("expected a rate"));
    press(&mut app, "\x1b");
    assert_eq!(press(&mut app, "l2M\n"), engine(0, Command::LimitDownload(Some(2 << 20))));
}

#[test]
fn a_command_does_what_its_key_does() {
    let mut app = session();
    assert_eq!(press(&mut app, ":pause\n"), engine(1, Command::Pause));
    let all = Effect::Order(Order::All(Command::LimitUpload(Some(1 << 20))));
    assert_eq!(press(&mut app, ":limit up 1M --all\n"), [all]);
    press(&mut app, ":show peers\n");
    assert_eq!(app.page, Page::Peers);
    press(&mut app, ":q\n");
    assert!(app.stopping);
}

#[test]
fn a_command_that_means_nothing_stays_to_be_corrected() {
    let mut app = session();
    press(&mut app, ":pasue\n");
    let Some(Modal::Prompt(prompt)) = &app.modal else { panic!("the line stays") };
    assert!(prompt.error.as_ref().unwrap().ends_with("did you mean pause?"));
}

#[test]
fn a_verb_is_completed_and_a_command_called_back() {
    let mut app = session();
    press(&mut app, ":ann\t");
    let text = |app: &App| match &app.modal {
        Some(Modal::Prompt(prompt)) => prompt.line.text().to_owned(),
        other => panic!("{other:?}"),
    };
    assert_eq!(text(&app), "announce ");
    press(&mut app, "\n:");
    let up = KeyEvent::new(KeyCode::Up, KeyModifiers::NONE);
    app.update(Action::Key(up));
    assert_eq!(text(&app), "announce");
}

#[test]
fn a_command_of_one_transfer_takes_no_second() {
    let mut app = one(&downloading());
    assert_eq!(press(&mut app, ":add x\n"), []);
    let Some(Modal::Prompt(prompt)) = &app.modal else { panic!("the line stays") };
    assert!(prompt.error.as_ref().unwrap().contains("swarm tui"));
}

#[test]
fn a_folder_is_skipped_with_all_that_is_in_it() {
    let mut app = one(&downloading());
    press(&mut app, "4");
    let folder = app.rows().iter().position(|row| matches!(row, RowKey::Folder(_))).unwrap();
    press(&mut app, &"j".repeat(folder + 1));
    let skip = Command::SetPriority { files: vec![0, 1], priority: swarm_engine::Priority::Skip };
    assert_eq!(press(&mut app, "x"), engine(0, skip));
}

#[test]
fn a_warning_that_is_of_no_transfer_answers_the_user() {
    let mut app = session();
    let text = "nothere: no such file".to_owned();
    app.update(Action::Remark(Remark { entry: None, warn: true, text }));
    assert_eq!(app.notice.as_ref().unwrap().text, "nothere: no such file");
    app.update(Action::Tick(Duration::from_secs(60)));
    assert_eq!(app.notice, None);
}

#[test]
fn what_seed_prints_can_be_pasted_as_it_is() {
    let foreign = |text: &str| matches!(order_of(text), Order::AddLink { .. });
    assert!(foreign("magnet:?xt=urn:btih:a") && foreign("https://example.org/a"));
    let link = || Order::AddLink { link: "swarm:?id=a".into(), output: None };
    for text in ["swarm:?id=a", " 'swarm:?id=a'", "swarm get 'swarm:?id=a'\n"] {
        assert_eq!(order_of(text), link(), "{text}");
    }
    assert_eq!(order_of("'/my file'"), Order::AddPath { path: "/my file".into() });
}

#[test]
fn insisting_with_ctrl_c_is_a_yes() {
    let mut app = session();
    let hashing = Phase::Hashing { done: 0, total: 9 };
    let own = Entry { origin: crate::host::Origin::Own, ..entry(1, &downloading()) };
    app.update(news(50, vec![Entry { phase: hashing, snapshot: None, ..own }]));
    let ctrl_c = || Action::Key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL));
    assert_eq!(app.update(ctrl_c()), []);
    assert_eq!(app.update(ctrl_c()), [Effect::Quit]);
}

#[test]
fn what_does_not_run_yet_is_stopped_rather_than_paused() {
    let mut app = session();
    press(&mut app, "G");
    press(&mut app, "k");
    assert_eq!(app.entry().unwrap().id, EntryId(4));
    assert_eq!(press(&mut app, "p"), [Effect::Order(Order::Stop(EntryId(4)))]);
}

#[test]
fn a_filter_works_while_it_is_typed_and_goes_with_esc() {
    let mut app = session();
    press(&mut app, "/weights-5");
    assert_eq!(app.rows(), [RowKey::Entry(EntryId(5))]);
    press(&mut app, "\x1b");
    assert_eq!((app.rows().len(), &app.modal), (5, &None));
    press(&mut app, "/weights-5\n");
    assert_eq!(app.rows().len(), 1, "Enter keeps it");
    press(&mut app, "\x1b");
    assert_eq!(app.rows().len(), 5);
}

#[test]
fn of_what_never_began_there_is_nothing_to_delete() {
    let mut app = session();
    let phase = Phase::Finding { trouble: None };
    let sought = Entry { share: None, snapshot: None, phase, ..entry(1, &downloading()) };
    app.update(news(43, vec![sought]));
    let removed = Order::Remove { id: EntryId(1), delete: false };
    assert_eq!(press(&mut app, "D"), [Effect::Order(removed)]);
    assert_eq!(app.modal, None);
}

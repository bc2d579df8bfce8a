//! The program for people who do not type commands: a menu of what a holder does, chosen by arrow keys or digits.
//!
//! Each entry is a command of the command line, put together here; nothing can be done here that a command cannot do.
//! PINs and codes are asked for by the commands themselves, unseen. What goes wrong is told, and the menu comes back.

mod entry;
mod place;

use std::sync::Arc;

use console::{Key, Term};
use ukey::Error;

use self::{entry::Entry, place::Place};
use crate::report::Voice;

/// Shows the menu until the person leaves.
pub(crate) fn run(voice: &Arc<Voice>) -> Result<(), Error> {
    let term = Term::stdout();
    let mut place = Place::new(voice);
    say(&term, voice.pick("签印 U-key 助手", "Qianyin U-key assistant"))?;
    let mut chosen = 0;
    loop {
        chosen = choose(&term, voice, chosen)?;
        let Some(entry) = Entry::ALL.get(chosen).copied().filter(|entry| *entry != Entry::Quit) else {
            return Ok(());
        };
        say(&term, &format!("\n── {} ──", entry.name(voice)))?;
        say(&term, entry.explanation(voice))?;
        if let Err(error) = place.act(entry) {
            voice.error(&error);
        }
        say(&term, voice.pick("\n按任意键返回菜单。", "\nPress any key for the menu."))?;
        key(&term)?;
    }
}

/// Draws the menu and follows the keys; gives the entry's place, the last one's to leave.
fn choose(term: &Term, voice: &Voice, start: usize) -> Result<usize, Error> {
    let last = Entry::ALL.len() - 1;
    let mut marked = start.min(last);
    say(
        term,
        voice.pick(
            "\n用上下键选择后按回车，或直接按数字：",
            "\nChoose with the arrow keys and Enter, or press a digit:",
        ),
    )?;
    draw(term, voice, marked)?;
    loop {
        marked = match key(term)? {
            Key::ArrowUp | Key::Char('k') => marked.checked_sub(1).unwrap_or(last),
            Key::ArrowDown | Key::Char('j') | Key::Tab => {
                if marked == last {
                    0
                } else {
                    marked + 1
                }
            }
            Key::Home => 0,
            Key::End => last,
            Key::Enter => return Ok(marked),
            Key::Escape | Key::Char('q' | 'Q') => return Ok(last),
            Key::Char(digit) => match digit.to_digit(10).and_then(|digit| usize::try_from(digit).ok()) {
                Some(number) if (1..=Entry::ALL.len()).contains(&number) => return Ok(number - 1),
                _ => continue,
            },
            _ => continue,
        };
        term.clear_last_lines(Entry::ALL.len()).map_err(Error::Prompt)?;
        draw(term, voice, marked)?;
    }
}

fn draw(term: &Term, voice: &Voice, marked: usize) -> Result<(), Error> {
    for (place, entry) in Entry::ALL.iter().enumerate() {
        let mark = if place == marked { "▶" } else { " " };
        say(term, &format!("{mark} {}  {}", place + 1, entry.name(voice)))?;
    }
    Ok(())
}

fn key(term: &Term) -> Result<Key, Error> {
    term.read_key().map_err(Error::Prompt)
}

fn say(term: &Term, line: &str) -> Result<(), Error> {
    term.write_line(line).map_err(Error::Prompt)
}

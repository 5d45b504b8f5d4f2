//! Typing a line: editing it, and what is done when it is ready.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use swarm_node::Command;

use super::{App, EditLine, Effect, Modal, Prompt, PromptKind, order_of};
use crate::{
    host::Order,
    screen::{filter::Filter, verbs},
    units::Limit,
};

/// Commands that can be called back.
const SAID_MAX: usize = 50;

impl App {
    /// Lets a line be typed.
    pub(super) fn prompt(&mut self, kind: PromptKind, line: EditLine) {
        self.modal = Some(Modal::Prompt(Prompt { kind, line, error: None, hints: Vec::new() }));
    }

    /// A key while a line is typed.
    pub(super) fn type_key(&mut self, event: KeyEvent) -> Vec<Effect> {
        let Some(Modal::Prompt(prompt)) = &mut self.modal else { return Vec::new() };
        let ctrl = event.modifiers.contains(KeyModifiers::CONTROL);
        let line = &mut prompt.line;
        match event.code {
            KeyCode::Enter => return self.enter(),
            KeyCode::Tab => {
                self.complete();
                return Vec::new();
            }
            KeyCode::Up | KeyCode::Down => {
                self.recall(event.code == KeyCode::Up);
                return Vec::new();
            }
            KeyCode::Esc => {
                if prompt.kind == PromptKind::Filter {
                    self.lists[self.page as usize].filter = Filter::default();
                    self.sort();
                }
                self.modal = None;
            }
            // Once more than there is, and the line is gone, as in vi.
            KeyCode::Backspace if line.text().is_empty() => self.modal = None,
            KeyCode::Backspace => line.backspace(),
            KeyCode::Delete => line.delete(),
            KeyCode::Left => line.left(),
            KeyCode::Right => line.right(),
            KeyCode::Home => line.home(),
            KeyCode::End => line.end(),
            KeyCode::Char('a') if ctrl => line.home(),
            KeyCode::Char('e') if ctrl => line.end(),
            KeyCode::Char('w') if ctrl => line.delete_word(),
            KeyCode::Char('u') if ctrl => line.delete_to_start(),
            KeyCode::Char(c) if !ctrl => line.insert(c.encode_utf8(&mut [0; 4])),
            _ => {}
        }
        if let Some(Modal::Prompt(prompt)) = &mut self.modal {
            prompt.error = None;
            prompt.hints.clear();
            if prompt.kind == PromptKind::Filter {
                self.try_filter();
            }
        }
        Vec::new()
    }

    /// Completes a verb as far as it is sure.
    fn complete(&mut self) {
        let Some(Modal::Prompt(prompt)) = &mut self.modal else { return };
        if prompt.kind != PromptKind::Command || prompt.line.text().contains(' ') {
            return;
        }
        let found = verbs::completions(prompt.line.text());
        match found.as_slice() {
            [(verb, about)] => {
                prompt.line = EditLine::new(format!("{verb} "));
                prompt.hints = vec![about.clone()];
            }
            _ => prompt.hints = found.into_iter().map(|(verb, _)| verb).collect(),
        }
    }

    /// Keeps a line to be typed again, the latest last.
    fn remember(&mut self, line: &str) {
        self.said.retain(|said| said != line);
        if self.said.len() == SAID_MAX {
            self.said.remove(0);
        }
        self.said.push(line.to_owned());
    }

    /// Puts the line before, or the one after, where a command is typed.
    fn recall(&mut self, before: bool) {
        let Some(Modal::Prompt(prompt)) = &mut self.modal else { return };
        if prompt.kind != PromptKind::Command {
            return;
        }
        let at = self.said.iter().position(|said| said == prompt.line.text());
        let at =
            if before { at.unwrap_or(self.said.len()).checked_sub(1) } else { at.map(|at| at + 1) };
        match at.and_then(|at| self.said.get(at)) {
            Some(said) => prompt.line = EditLine::new(said.as_str()),
            None if !before => prompt.line = EditLine::default(),
            None => {}
        }
    }

    /// A filter works while it is typed.
    fn try_filter(&mut self) {
        let Some(Modal::Prompt(prompt)) = &mut self.modal else { return };
        match Filter::parse(prompt.line.text()) {
            Ok(filter) => {
                self.lists[self.page as usize].filter = filter;
                self.sort();
            }
            Err(why) => prompt.error = Some(why),
        }
    }

    /// The line is ready.
    fn enter(&mut self) -> Vec<Effect> {
        let Some(Modal::Prompt(prompt)) = self.modal.take() else { return Vec::new() };
        let text = prompt.line.text().trim();
        let done = match prompt.kind {
            PromptKind::Filter => Filter::parse(text).map(|filter| {
                self.lists[self.page as usize].filter = filter;
                self.sort();
                Vec::new()
            }),
            _ if text.is_empty() => Ok(Vec::new()),
            PromptKind::Add => match order_of(text) {
                Order::AddPath { path } if path.as_os_str().is_empty() => {
                    Err("there is nothing in the quotes".into())
                }
                order => Ok(vec![Effect::Order(order)]),
            },
            PromptKind::LimitUp => self.limit(text, Command::LimitUpload),
            PromptKind::LimitDown => self.limit(text, Command::LimitDownload),
            PromptKind::Command => {
                self.remember(text);
                self.run_line(text)
            }
        };
        done.unwrap_or_else(|why| {
            self.modal = Some(Modal::Prompt(Prompt { error: Some(why), ..prompt }));
            Vec::new()
        })
    }

    fn limit(
        &mut self,
        text: &str,
        command: fn(Option<u64>) -> Command,
    ) -> Result<Vec<Effect>, String> {
        let limit: Limit = text.parse().map_err(|error| format!("{error}"))?;
        let Some(entry) = self.entry() else { return Ok(Vec::new()) };
        let order = Order::Engine { id: entry.id, command: command(limit.0) };
        Ok(vec![Effect::Order(order)])
    }
}

//! Words that can be compared: the one way in which titles, places and what people type become tokens.
//!
//! Case, accents, width and punctuation are taken away, so `SAO PAULO`, `São Paulo` and `sao-paulo` are the same two
//! words. The index and the requests both go through here, which is what makes them agree. Knows nothing of events.

use tantivy::tokenizer::{
    AsciiFoldingFilter, Language, Stemmer, TextAnalyzer, Token, TokenStream, Tokenizer, TokenizerManager,
};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Name of the analysis into plain words.
pub(crate) const WORDS: &str = "words";

/// Name of the analysis into stemmed words (`ghosts` and `ghost` are one).
pub(crate) const STEMS: &str = "stems";

/// Letters of a word that count. Longer ones are cut alike in the index and in a request: nobody types more, and
/// scripts written without spaces then still match by their beginning.
const WORD_LETTERS_MAX: usize = 48;

/// Words that say little on their own. A request ignores them as long as it has any other.
const LITTLE_WORDS: &[&str] = &[
    "a", "an", "and", "at", "by", "for", "from", "in", "is", "it", "of", "on", "or", "the", "to", "with",
];

/// One word of a request in both forms the index knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) plain: String,
    pub(crate) stem: String,
}

/// The analyses under their names, for the index.
pub(crate) fn tokenizers() -> TokenizerManager {
    let manager = TokenizerManager::default();
    manager.register(WORDS, word_analyzer());
    manager.register(STEMS, stem_analyzer());
    manager
}

/// The words of a request, at most the first `words_max`, without the little words unless there are only those (so
/// that typing `the` on the way to `theatre` finds something).
pub(crate) fn request_words(text: &str, words_max: usize) -> Vec<Word> {
    let plain = tokens(&mut word_analyzer(), text);
    let stems = tokens(&mut stem_analyzer(), text);
    debug_assert_eq!(
        plain.len(),
        stems.len(),
        "stemming changes words and never their number"
    );
    let all: Vec<Word> = plain
        .into_iter()
        .zip(stems)
        .map(|(plain, stem)| Word { plain, stem })
        .take(words_max)
        .collect();
    let telling: Vec<Word> = all
        .iter()
        .filter(|word| !LITTLE_WORDS.contains(&word.plain.as_str()))
        .cloned()
        .collect();
    if telling.is_empty() { all } else { telling }
}

/// A whole name as one comparable key (`Coeur d’Alene` is `coeur d alene`); empty when it holds no letter or digit.
pub(crate) fn key(text: &str) -> String {
    tokens(&mut word_analyzer(), text).join(" ")
}

fn word_analyzer() -> TextAnalyzer {
    TextAnalyzer::builder(Words).filter(AsciiFoldingFilter).build()
}

fn stem_analyzer() -> TextAnalyzer {
    TextAnalyzer::builder(Words)
        .filter(AsciiFoldingFilter)
        .filter(Stemmer::new(Language::English))
        .build()
}

fn tokens(analyzer: &mut TextAnalyzer, text: &str) -> Vec<String> {
    let mut stream = analyzer.token_stream(text);
    let mut tokens = Vec::new();
    stream.process(&mut |token| tokens.push(token.text.clone()));
    tokens
}

/// Lower case without accents. What has an ASCII spelling without being an accented letter (`ß`, `ø`) is left to
/// tantivy's filter behind this.
fn fold(text: &str) -> impl Iterator<Item = char> {
    text.nfkd()
        .filter(|letter| !is_combining_mark(*letter))
        .flat_map(char::to_lowercase)
        .map(|letter| {
            // The sigma at a word's end is the same letter.
            if letter == 'ς' { 'σ' } else { letter }
        })
}

/// Splits folded text at everything that is neither letter nor digit.
///
/// An apostrophe before a single last letter belongs to the word (`don't`, `ocean's`), any other parts two (`l'amour`).
#[derive(Clone)]
struct Words;

impl Tokenizer for Words {
    type TokenStream<'a> = WordStream;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> WordStream {
        let letters: Vec<char> = fold(text).collect();
        let is_word = |at: usize| {
            letters
                .get(at)
                .is_some_and(|letter: &char| letter.is_alphanumeric())
        };
        let mut words = Vec::new();
        let mut word = String::new();
        let mut length = 0;
        for (at, letter) in letters.iter().enumerate() {
            if letter.is_alphanumeric() {
                if length < WORD_LETTERS_MAX {
                    word.push(*letter);
                    length += 1;
                }
            } else if matches!(letter, '\'' | '’' | 'ʼ') && is_word(at + 1) && !is_word(at + 2) {
                continue;
            } else if !word.is_empty() {
                words.push(std::mem::take(&mut word));
                length = 0;
            }
        }
        if !word.is_empty() {
            words.push(word);
        }
        WordStream {
            words: words.into_iter(),
            token: Token::default(),
        }
    }
}

struct WordStream {
    words: std::vec::IntoIter<String>,
    token: Token,
}

impl TokenStream for WordStream {
    fn advance(&mut self) -> bool {
        let Some(word) = self.words.next() else {
            return false;
        };
        self.token.text = word;
        // The default position is the largest number, so that the first word comes to stand at zero.
        self.token.position = self.token.position.wrapping_add(1);
        true
    }

    fn token(&self) -> &Token {
        &self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.token
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        tokens(&mut word_analyzer(), text)
    }

    #[test]
    fn case_accents_width_and_punctuation_do_not_count() {
        assert_eq!(key("São  Paulo"), "sao paulo");
        assert_eq!(key("SA\u{303}O-PAULO"), "sao paulo");
        assert_eq!(key("Ｚürich"), "zurich");
        assert_eq!(key("Straße, Øst & Łódź"), "strasse ost lodz");
        assert_eq!(key("ΘΈΑΤΡΟΣ"), key("θέατρος"));
        assert_eq!(key("İstanbul"), "istanbul");
        assert_eq!(key(" ... !"), "");
    }

    #[test]
    fn apostrophes_join_a_last_letter_and_part_anything_else() {
        assert_eq!(
            words("Ocean’s don't l'amour rock 'n' roll"),
            ["oceans", "dont", "l", "amour", "rock", "n", "roll"]
        );
    }

    #[test]
    fn words_are_cut_at_the_same_length_everywhere() {
        assert_eq!(words(&"é".repeat(500)), ["e".repeat(WORD_LETTERS_MAX)]);
    }

    #[test]
    fn a_request_has_stems_beside_words_and_drops_little_words_unless_alone() {
        let found = request_words("The Ghosts of the Opera", 16);
        let plain: Vec<_> = found.iter().map(|word| word.plain.as_str()).collect();
        assert_eq!(plain, ["ghosts", "opera"]);
        assert_eq!(found[0].stem, "ghost");
        assert_eq!(request_words("the", 16).len(), 1);
        assert_eq!(request_words(&"ab ".repeat(100), 16).len(), 16);
    }
}

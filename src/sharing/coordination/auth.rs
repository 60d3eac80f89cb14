//! The token that all machines of a coordinated run share. Who takes part proves that it has it by an HMAC over the server's
//! challenge: the token itself never crosses the network.

use std::{fmt, io};

use hmac::{Hmac, KeyInit, Mac};
use rand::{TryRng, rngs::SysRng};
use sha2::Sha256;

/// What proofs of this protocol are about, so that one of another purpose is none here.
const PURPOSE: &[u8] = b"facebench coordinated run 1\n";
/// Fewer characters can be guessed.
const SHORTEST: usize = 8;
/// More are no token but a wrong file.
const LONGEST: usize = 1000;

/// A secret that machines share.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

impl Token {
    /// One that nobody can guess: 128 random bits of the system.
    pub fn random() -> io::Result<Self> {
        random_hex().map(Self)
    }

    /// The token in `text`, without the spaces and line ends around it; or what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let length = text.chars().count();
        if (SHORTEST..=LONGEST).contains(&length) && !text.chars().any(char::is_control) {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!(
                "a token is one line of {SHORTEST} to {LONGEST} characters, the longer the better"
            ))
        }
    }

    /// The token itself, for whoever is to pass it on.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// What answers `challenge`.
    pub(super) fn proof(&self, challenge: &str) -> String {
        base16ct::lower::encode_string(&self.mac(challenge).finalize().into_bytes())
    }

    /// Whether `proof` answers `challenge`, in a time that does not depend on it.
    pub(super) fn proves(&self, challenge: &str, proof: &str) -> bool {
        let proof = base16ct::lower::decode_vec(proof);
        proof.is_ok_and(|proof| self.mac(challenge).verify_slice(&proof).is_ok())
    }

    fn mac(&self, challenge: &str) -> Hmac<Sha256> {
        #[allow(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.as_bytes()).expect("HMAC takes any key");
        mac.update(PURPOSE);
        mac.update(challenge.as_bytes());
        mac
    }
}

/// A challenge that was never given before.
pub(super) fn challenge() -> io::Result<String> {
    random_hex()
}

fn random_hex() -> io::Result<String> {
    let mut bytes = [0; 16];
    SysRng.try_fill_bytes(&mut bytes).map_err(io::Error::other)?;
    Ok(base16ct::lower::encode_string(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_token_answers_and_only_the_same_challenge() {
        let token = Token::parse(" correct horse\n").unwrap();
        assert_eq!(token.text(), "correct horse");
        let proof = token.proof("a");
        assert!(token.proves("a", &proof));
        assert!(
            !token.proves("b", &proof),
            "a proof that was overheard is of no use"
        );
        assert!(!Token::parse("another horse").unwrap().proves("a", &proof));
        for wrong in ["", "zz", &proof[2..], &format!("{proof}00")] {
            assert!(!token.proves("a", wrong), "{wrong}");
        }
    }

    #[test]
    fn the_proof_is_hmac_sha_256() {
        // RFC 2104 by hand.
        use sha2::Digest;
        let key = "0123456789";
        let pad = |with: u8| {
            let mut block = [with; 64];
            for (byte, key) in block.iter_mut().zip(key.bytes()) {
                *byte ^= key;
            }
            block
        };
        let inner = Sha256::new()
            .chain_update(pad(0x36))
            .chain_update(PURPOSE)
            .chain_update("c")
            .finalize();
        let outer = Sha256::new()
            .chain_update(pad(0x5c))
            .chain_update(inner)
            .finalize();
        assert_eq!(
            Token::parse(key).unwrap().proof("c"),
            base16ct::lower::encode_string(&outer)
        );
    }

    #[test]
    fn tokens_are_long_enough_and_never_shown_by_chance() {
        for bad in ["", "  \n", "short", "two\nlines of it", &"a".repeat(1001)] {
            assert!(Token::parse(bad).is_err(), "{bad}");
        }
        let (one, other) = (Token::random().unwrap(), Token::random().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.text().len(), 32);
        assert!(!format!("{one:?}").contains(one.text()));
    }
}

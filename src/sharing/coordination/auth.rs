//! The token that all machines of a coordinated run share. Server and participant prove to each other that they have it, each
//! by an HMAC over the challenges of both: the token itself never crosses the network, and neither tells a stranger more.

use std::{fmt, io};

use hmac::{Hmac, KeyInit, Mac};
use rand::{TryRng, rngs::SysRng};
use sha2::Sha256;

/// What proofs of this protocol are about, so that one of another purpose is none here.
const PURPOSE: &[u8] = b"facebench coordinated run 2\n";
/// Bytes of a challenge.
const CHALLENGE_BYTES: usize = 16;
/// Fewer characters can be guessed.
const SHORTEST: usize = 8;
/// More are no token but a wrong file.
const LONGEST: usize = 1000;

/// Whose proof it is: a proof that is sent back to its own side is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// The coordinator.
    Server,
    /// A machine that takes part.
    Participant,
}

/// What both sides prove the token over: a challenge of each.
#[derive(Debug, Clone, Copy)]
pub(super) struct Challenges<'a> {
    /// The server's.
    pub(super) server: &'a str,
    /// The participant's.
    pub(super) participant: &'a str,
}

/// A secret that machines share.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

impl Token {
    /// One that cannot be guessed: 128 random bits of the system.
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

    /// What answers `challenges` for that side.
    pub(super) fn proof(&self, side: Side, challenges: Challenges<'_>) -> String {
        base16ct::lower::encode_string(&self.mac(side, challenges).finalize().into_bytes())
    }

    /// Whether `proof` answers `challenges` for that side, in a time that does not depend on it.
    pub(super) fn proves(&self, side: Side, challenges: Challenges<'_>, proof: &str) -> bool {
        let proof = base16ct::lower::decode_vec(proof);
        proof.is_ok_and(|proof| self.mac(side, challenges).verify_slice(&proof).is_ok())
    }

    fn mac(&self, side: Side, challenges: Challenges<'_>) -> Hmac<Sha256> {
        #[allow(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.as_bytes()).expect("HMAC takes any key");
        mac.update(PURPOSE);
        mac.update(match side {
            Side::Server => b"server\n",
            Side::Participant => b"participant\n",
        });
        // Both are of one length, so that no other pair gives the same bytes.
        mac.update(challenges.server.as_bytes());
        mac.update(challenges.participant.as_bytes());
        mac
    }
}

/// A challenge that was never given before.
pub(super) fn challenge() -> io::Result<String> {
    random_hex()
}

/// Whether `text` has the form of a challenge.
pub(super) fn is_challenge(text: &str) -> bool {
    text.len() == 2 * CHALLENGE_BYTES && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn random_hex() -> io::Result<String> {
    let mut bytes = [0; CHALLENGE_BYTES];
    SysRng.try_fill_bytes(&mut bytes).map_err(io::Error::other)?;
    Ok(base16ct::lower::encode_string(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of<'a>(server: &'a str, participant: &'a str) -> Challenges<'a> {
        Challenges { server, participant }
    }

    #[test]
    fn only_the_same_token_answers_and_only_the_same_challenges_and_side() {
        let token = Token::parse(" correct horse\n").unwrap();
        assert_eq!(token.text(), "correct horse");
        let proof = token.proof(Side::Participant, of("a", "b"));
        assert!(token.proves(Side::Participant, of("a", "b"), &proof));
        for (side, challenges, why) in [
            (
                Side::Participant,
                of("c", "b"),
                "a proof that was overheard is of no use",
            ),
            (
                Side::Participant,
                of("a", "c"),
                "nor is one for another participant",
            ),
            (Side::Server, of("a", "b"), "nor is one that is sent back"),
        ] {
            assert!(!token.proves(side, challenges, &proof), "{why}");
        }
        let other = Token::parse("another horse").unwrap();
        assert!(!other.proves(Side::Participant, of("a", "b"), &proof));
        for wrong in ["", "zz", &proof[2..], &format!("{proof}00")] {
            assert!(!token.proves(Side::Participant, of("a", "b"), wrong), "{wrong}");
        }
    }

    #[test]
    fn a_challenge_is_as_long_as_any_other() {
        let one = challenge().unwrap();
        assert!(is_challenge(&one) && one != challenge().unwrap());
        for wrong in ["", "challenge", &one[1..], &format!("{one}0"), &"\n".repeat(32)] {
            assert!(!is_challenge(wrong), "{wrong:?}");
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
            .chain_update("server\nst")
            .finalize();
        let outer = Sha256::new()
            .chain_update(pad(0x5c))
            .chain_update(inner)
            .finalize();
        assert_eq!(
            Token::parse(key).unwrap().proof(Side::Server, of("s", "t")),
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

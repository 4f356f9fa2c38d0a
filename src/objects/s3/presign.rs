//! A permit to put one file into the staging folder without going through us: for these bytes, once, for a while.

use std::time::Duration;

use aws_sdk_s3::presigning::PresigningConfig;

use super::S3Store;
use super::attempt::failed;
use super::requests::digest_text;
use crate::domain::digest::Sha256;
use crate::objects::path::ObjectPath;
use crate::objects::store::StoreError;

/// A request that whoever has it may send. It is bound to length and digest of the body, to a name that does not
/// exist yet, and to its time; each of its headers has to be sent as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedPut {
    /// Address with the signature.
    pub url: String,
    /// Headers that the signature covers.
    pub headers: Vec<(String, String)>,
}

impl S3Store {
    /// Signs a `PUT` of exactly these bytes under a new name. Asks the store nothing.
    pub async fn sign_put(
        &self,
        path: &ObjectPath,
        length: u64,
        sha256: Sha256,
        lifetime: Duration,
    ) -> Result<SignedPut, StoreError> {
        let wrong = |error: &dyn std::fmt::Display| failed("sign for", path.as_str(), error.to_string());
        let lifetime = PresigningConfig::expires_in(lifetime).map_err(|error| wrong(&error))?;
        let request = self.0.clients.short.put_object().bucket(&self.0.bucket).key(self.key(path));
        let signed = request
            .content_length(i64::try_from(length).map_err(|error| wrong(&error))?)
            .checksum_sha256(digest_text(sha256.as_bytes()))
            .if_none_match("*")
            .presigned(lifetime)
            .await
            .map_err(|error| wrong(&error))?;
        let headers = signed.headers().map(|(name, value)| (name.to_owned(), value.to_owned()));
        Ok(SignedPut { url: signed.uri().to_owned(), headers: headers.collect() })
    }
}

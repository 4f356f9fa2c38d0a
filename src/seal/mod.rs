//! The seal: keys, certificates, CMS signatures after PAdES.

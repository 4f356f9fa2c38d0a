//! Codes on the page: the QR code with the verification address (later the printed digital seal).

pub mod qr;

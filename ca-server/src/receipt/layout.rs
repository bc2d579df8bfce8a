//! Where everything stands on A5 landscape: pages of marks, which know nothing of PDF. Lengths in points (1/72 inch),
//! from the upper left corner.

use ca_core::Fen;

use super::{Receipt, ReceiptLine, font::Face, words::method_words};
use crate::problem::Problem;

/// A5 landscape: 210 mm × 148 mm.
pub(super) const WIDTH: f32 = 595.28;
pub(super) const HEIGHT: f32 = 419.53;
const MARGIN: f32 = 34.0;
const INNER: f32 = WIDTH - 2.0 * MARGIN;
/// The footer's baseline, and where everything else ends.
const FOOT: f32 = HEIGHT - 18.0;
const BOTTOM: f32 = HEIGHT - 34.0;
const GAP: f32 = 14.0;
/// The highest amount in capitals is one line of this box.
const BOX_HEIGHT: f32 = 62.0;
const QR_SIDE: f32 = 82.0;
/// Right edges of quantity, price and amount.
const COLUMNS: [f32; 3] = [MARGIN + INNER - 190.0, MARGIN + INNER - 98.0, MARGIN + INNER - 6.0];
const TEXT_WIDTH: f32 = INNER - 190.0 - 52.0;
const NOTE: &str =
    "本收据不是发票；发票另行申请。This receipt is not a tax invoice, which is asked for apart.";

/// A colour by what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    Text,
    Quiet,
    Accent,
    Line,
    Ground,
}

/// One thing on a page.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Mark {
    /// `y` is the baseline.
    Text {
        x: f32,
        y: f32,
        size: f32,
        ink: Ink,
        strong: bool,
        text: String,
    },
    Area {
        x: f32,
        y: f32,
        width: f32,
        height: f32,
        ink: Ink,
    },
    Qr {
        x: f32,
        y: f32,
        side: f32,
    },
}

/// A page's marks, in the order in which they are drawn.
pub(super) type Page = Vec<Mark>;

/// # Errors
/// A character that the font has not, or an amount that cannot be written.
pub(super) fn pages(receipt: &Receipt, face: &Face<'_>) -> Result<Vec<Page>, Problem> {
    let mut layout = Layout { face, pages: vec![Page::new()], y: MARGIN };
    layout.head(receipt)?;
    layout.particulars(receipt)?;
    layout.table(receipt)?;
    layout.closing(receipt)?;
    layout.foot()?;
    Ok(layout.pages)
}

struct Layout<'a> {
    face: &'a Face<'a>,
    pages: Vec<Page>,
    y: f32,
}

impl Layout<'_> {
    fn mark(&mut self, mark: Mark) {
        if let Some(page) = self.pages.last_mut() {
            page.push(mark);
        }
    }

    fn text(&mut self, x: f32, y: f32, size: f32, ink: Ink, text: &str) {
        self.mark(Mark::Text { x, y, size, ink, strong: false, text: text.to_owned() });
    }

    fn strong(&mut self, x: f32, y: f32, size: f32, ink: Ink, text: &str) {
        self.mark(Mark::Text { x, y, size, ink, strong: true, text: text.to_owned() });
    }

    /// Ends at `right`.
    fn right(&mut self, right: f32, y: f32, size: f32, ink: Ink, text: &str) -> Result<f32, Problem> {
        let x = right - self.face.width(text, size)?;
        self.text(x, y, size, ink, text);
        Ok(x)
    }

    /// Several lines; gives the baseline of the last.
    fn lines(&mut self, at: (f32, f32), size: f32, most: f32, ink: Ink, text: &str) -> Result<f32, Problem> {
        let (x, mut y) = at;
        for (number, line) in self.face.wrap(text, size, most)?.iter().enumerate() {
            if number > 0 {
                y += size * 1.35;
            }
            self.text(x, y, size, ink, line);
        }
        Ok(y)
    }

    fn rule(&mut self, y: f32, height: f32, ink: Ink) {
        self.mark(Mark::Area { x: MARGIN, y, width: INNER, height, ink });
    }

    fn head(&mut self, receipt: &Receipt) -> Result<(), Problem> {
        let (right, y) = (WIDTH - MARGIN, self.y);
        self.strong(MARGIN, y + 18.0, 22.0, Ink::Accent, "收据");
        self.text(MARGIN + 52.0, y + 18.0, 12.0, Ink::Quiet, "Receipt");
        let x = self.right(right, y + 7.0, 9.0, Ink::Text, &receipt.number)?;
        self.right(x - 6.0, y + 7.0, 7.5, Ink::Quiet, "编号 No.")?;
        let x = self.right(right, y + 20.0, 9.0, Ink::Text, &receipt.day.to_string())?;
        self.right(x - 6.0, y + 20.0, 7.5, Ink::Quiet, "日期 Date")?;
        let issuer = self.lines((MARGIN, y + 36.0), 10.0, INNER, Ink::Text, &receipt.issuer)?;
        self.rule(issuer + 7.0, 1.4, Ink::Accent);
        self.y = issuer + 21.0;
        Ok(())
    }

    fn particulars(&mut self, receipt: &Receipt) -> Result<(), Problem> {
        let none = || "—".to_owned();
        let payer = receipt.payer.clone().unwrap_or_else(|| "待确认 not known yet".to_owned());
        self.fields(&[("交款人 Payer", payer)])?;
        let (zh, en) = method_words(receipt.method);
        self.fields(&[
            ("收款方式 Method", format!("{zh} {en}")),
            ("凭证号 Reference", receipt.reference.clone()),
            ("窗口 Counter", receipt.counter.clone().unwrap_or_else(none)),
        ])?;
        let order = receipt.order.as_ref();
        self.fields(&[
            ("收款人 Cashier", receipt.cashier.clone().unwrap_or_else(none)),
            ("订单 Order", order.map_or_else(none, |order| order.id.clone())),
            ("收费标准 Tariff", order.map_or_else(none, |order| order.tariff.clone())),
        ])
    }

    /// A row of labels with their values below; as high as its highest value.
    fn fields(&mut self, fields: &[(&str, String)]) -> Result<(), Problem> {
        // One or three a row.
        let width = if fields.len() == 1 { INNER } else { INNER / 3.0 };
        let (size, mut x, mut lowest) = (if fields.len() == 1 { 11.0 } else { 9.0 }, MARGIN, self.y);
        for (label, value) in fields {
            self.text(x, self.y, 7.0, Ink::Quiet, label);
            let value = self.lines((x, self.y + 4.0 + size), size, width - GAP, Ink::Text, value)?;
            lowest = lowest.max(value);
            x += width;
        }
        self.y = lowest + 15.0;
        Ok(())
    }

    fn table(&mut self, receipt: &Receipt) -> Result<(), Problem> {
        self.y -= 6.0;
        self.table_head()?;
        for line in &receipt.lines {
            self.line(receipt, line)?;
        }
        if receipt.lines.is_empty() {
            let line = ReceiptLine {
                zh: "预收款，记入交款人余额".to_owned(),
                en: "Advance payment, kept as the payer's credit".to_owned(),
                quantity: 1,
                price: receipt.amount,
                amount: receipt.amount,
            };
            self.line(receipt, &line)?;
        }
        Ok(())
    }

    fn table_head(&mut self) -> Result<(), Problem> {
        let y = self.y;
        self.mark(Mark::Area { x: MARGIN, y, width: INNER, height: 16.0, ink: Ink::Ground });
        self.text(MARGIN + 6.0, y + 11.0, 7.5, Ink::Quiet, "项目 Item");
        for (right, label) in COLUMNS.iter().zip(["数量 Qty", "单价 Price", "金额 Amount"]) {
            self.right(*right, y + 11.0, 7.5, Ink::Quiet, label)?;
        }
        self.y += 16.0;
        Ok(())
    }

    fn line(&mut self, receipt: &Receipt, line: &ReceiptLine) -> Result<(), Problem> {
        let rows = |text: &str, size: f32| -> Result<f32, Problem> {
            let rows = self.face.wrap(text, size, TEXT_WIDTH)?.len();
            Ok(f32::from(u16::try_from(rows).unwrap_or(u16::MAX)) * size * 1.35)
        };
        let height = rows(&line.zh, 9.0)? + rows(&line.en, 7.0)? + 5.0;
        if self.y + height > BOTTOM {
            self.next_page(receipt)?;
            self.table_head()?;
        }
        let top = self.y;
        let zh = self.lines((MARGIN + 6.0, top + 12.0), 9.0, TEXT_WIDTH, Ink::Text, &line.zh)?;
        self.lines((MARGIN + 6.0, zh + 9.5), 7.0, TEXT_WIDTH, Ink::Quiet, &line.en)?;
        let values = [line.quantity.to_string(), line.price.to_string(), line.amount.to_string()];
        for (right, value) in COLUMNS.iter().zip(values) {
            self.right(*right, top + 12.0, 9.0, Ink::Text, &value)?;
        }
        self.y = top + height;
        self.rule(self.y, 0.4, Ink::Line);
        Ok(())
    }

    fn next_page(&mut self, receipt: &Receipt) -> Result<(), Problem> {
        self.pages.push(Page::new());
        let y = MARGIN;
        self.strong(MARGIN, y + 4.0, 12.0, Ink::Accent, "收据");
        self.text(MARGIN + 30.0, y + 4.0, 8.0, Ink::Quiet, "Receipt");
        let x = self.right(WIDTH - MARGIN, y + 4.0, 9.0, Ink::Text, &receipt.number)?;
        self.right(x - 6.0, y + 4.0, 7.5, Ink::Quiet, "编号 No.")?;
        self.rule(y + 11.0, 0.8, Ink::Accent);
        self.y = y + 20.0;
        Ok(())
    }

    /// Sums, the amount in figures and capitals, and what the receipt is checked with: all on one page.
    fn closing(&mut self, receipt: &Receipt) -> Result<(), Problem> {
        let mut sums = Vec::new();
        if let Some(order) = &receipt.order {
            let due = Fen::new(order.total.get() - order.waived.get());
            if due != receipt.amount || order.waived != Fen::ZERO {
                sums.push(("订单合计 Order total", order.total));
            }
            if order.waived != Fen::ZERO {
                sums.push(("减免 Waived", Fen::new(-order.waived.get())));
            }
        }
        let capitals = receipt.amount.in_capitals()?;
        let width = INNER - QR_SIDE - GAP;
        let count = f32::from(u16::try_from(sums.len()).unwrap_or(u16::MAX));
        let height = 8.0 + count * 13.0 + (BOX_HEIGHT + 32.0).max(QR_SIDE + 12.0);
        if self.y + height > BOTTOM {
            self.next_page(receipt)?;
        }
        let mut y = self.y + 8.0;
        for (label, amount) in sums {
            let x = self.right(COLUMNS[2], y + 5.0, 9.0, Ink::Text, &amount.to_string())?;
            self.right(x.min(COLUMNS[1]) - 6.0, y + 5.0, 7.5, Ink::Quiet, label)?;
            y += 13.0;
        }
        self.mark(Mark::Area { x: MARGIN, y, width, height: BOX_HEIGHT, ink: Ink::Ground });
        self.mark(Mark::Area { x: MARGIN, y, width: 3.0, height: BOX_HEIGHT, ink: Ink::Accent });
        let (left, right) = (MARGIN + 12.0, MARGIN + width - 10.0);
        self.text(left, y + 14.0, 7.5, Ink::Quiet, "实收金额 Amount received");
        let figures = receipt.amount.to_string();
        let x = right - self.face.width(&figures, 18.0)?;
        self.strong(x, y + 26.0, 18.0, Ink::Accent, &figures);
        self.text(left, y + 34.0, 7.5, Ink::Quiet, "大写 In words");
        self.lines((left, y + 52.0), 13.0, width - 20.0, Ink::Text, &capitals)?;
        let qr = MARGIN + INNER - QR_SIDE;
        self.mark(Mark::Qr { x: qr, y, side: QR_SIDE });
        let caption = "扫码核验 Scan to check";
        let centred = qr + (QR_SIDE - self.face.width(caption, 7.0)?) / 2.0;
        self.text(centred, y + QR_SIDE + 8.0, 7.0, Ink::Quiet, caption);
        let below = y + BOX_HEIGHT + 10.0;
        self.text(MARGIN, below, 7.0, Ink::Quiet, "核验码 Code");
        self.text(MARGIN + 48.0, below, 8.5, Ink::Text, &receipt.code);
        let root = format!("根证书 Root SHA-256  {}", receipt.root);
        self.text(MARGIN, below + 10.0, 7.0, Ink::Quiet, &root);
        self.y = self.lines((MARGIN, below + 20.0), 7.0, width, Ink::Quiet, &receipt.url)?;
        Ok(())
    }

    /// When every page is there: each says how many there are.
    fn foot(&mut self) -> Result<(), Problem> {
        let (face, all) = (self.face, self.pages.len());
        let text = |x, text| Mark::Text { x, y: FOOT, size: 7.0, ink: Ink::Quiet, strong: false, text };
        for (index, page) in self.pages.iter_mut().enumerate() {
            let number = format!("第 {0} 页，共 {all} 页 Page {0} of {all}", index + 1);
            let x = WIDTH - MARGIN - face.width(&number, 7.0)?;
            page.push(Mark::Area { x: MARGIN, y: FOOT - 11.0, width: INNER, height: 0.4, ink: Ink::Line });
            page.push(text(MARGIN, NOTE.to_owned()));
            page.push(text(x, number));
        }
        Ok(())
    }
}

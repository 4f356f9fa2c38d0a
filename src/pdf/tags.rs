//! The structure tree of a document, built while its pages are drawn: headings, tables, paragraphs, figures.

use std::num::NonZeroU16;

use krilla::geom::Rect;
use krilla::tagging::{BBox, Identifier, Node, TableHeaderScope, Tag, TagGroup, TagTree};

/// The tree so far, with the table that neighbouring rows are added to.
pub(super) struct Tags {
    tree: TagTree,
    table: Option<TagGroup>,
}

impl Tags {
    pub(super) fn new() -> Self {
        Self { tree: TagTree::new().with_lang(Some("de-DE".into())), table: None }
    }

    pub(super) fn heading(&mut self, level: u16, title: String, drawn: Vec<Identifier>) {
        let level = NonZeroU16::new(level).unwrap_or(NonZeroU16::MIN);
        self.push(TagGroup::with_children(Tag::Hn(level, Some(title)), nodes(drawn)));
    }

    pub(super) fn paragraph(&mut self, drawn: Vec<Identifier>) {
        self.push(TagGroup::with_children(Tag::P, nodes(drawn)));
    }

    pub(super) fn figure(&mut self, alt: String, page: usize, place: Rect, drawn: Identifier) {
        let tag = Tag::Figure(Some(alt)).with_bbox(Some(BBox::new(page, place)));
        self.push(TagGroup::with_children(tag, vec![drawn.into()]));
    }

    pub(super) fn row(&mut self, header: Identifier, value: Vec<Identifier>) {
        let mut row = TagGroup::new(Tag::TR);
        row.push(TagGroup::with_children(Tag::TH(TableHeaderScope::Row), vec![header.into()]));
        row.push(TagGroup::with_children(Tag::TD, nodes(value)));
        self.table.get_or_insert_with(|| TagGroup::new(Tag::Table)).push(row);
    }

    pub(super) fn finish(mut self) -> TagTree {
        self.close_table();
        self.tree
    }

    fn push(&mut self, group: TagGroup) {
        self.close_table();
        self.tree.push(group);
    }

    fn close_table(&mut self) {
        if let Some(table) = self.table.take() {
            self.tree.push(table);
        }
    }
}

fn nodes(drawn: Vec<Identifier>) -> Vec<Node> {
    drawn.into_iter().map(Node::from).collect()
}

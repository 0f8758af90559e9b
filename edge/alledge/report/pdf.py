"""A report as a PDF: the same bytes for the same document, on any machine.

What would differ is kept out: no font is embedded (which one a machine has is chance), nothing is compressed
here (zlib's output differs between its versions; pictures stay as the journal has them), the date is the
journal's, and the file's identifier is a hash of what is in it. What remains is the version of fpdf2, whose
way to write a page is part of the bytes.
"""

from fpdf import XPos, YPos

from alledge.report.blocks import Document, Paragraph
from alledge.report.pdf_blocks import draw
from alledge.report.pdf_page import Pages


def to_pdf(document: Document) -> bytes:
    """The report as a PDF file, A4."""
    pages = Pages(document)
    pages.add_page()
    pages.set_font("Helvetica", "B", 16)
    pages.multi_cell(0, 7.5, pages.latin(document.title), align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    pages.ln(1.5)
    for block in document.blocks:
        draw(pages, block)
    if pages.has_gaps:
        draw(pages, Paragraph(document.glyph_words))
    return bytes(pages.output())

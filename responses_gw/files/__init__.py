"""Files into text: what a file is, by its bytes, and what stands in it.

Text is decoded here; PDFs are read in processes of their own, which hostile files may break.
"""

from .pdf import PdfBusy, PdfError, PdfReaders, PdfText
from .text import FileError, data_of, is_pdf, text_of

__all__ = [
    "FileError",
    "PdfBusy",
    "PdfError",
    "PdfReaders",
    "PdfText",
    "data_of",
    "is_pdf",
    "text_of",
]

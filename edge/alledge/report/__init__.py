"""The report of a slide: what was counted, by whom, and what it rests on.

    journal --building--> SlideReport --outline--> Document --html, pdf--> files for people
    SlideReport --as_json, as_csv, fhir--> files for programs
    journal --patch_folder--> patches that `alltrain fit` reads

`contents` says what a report holds, `as_of` up to which event of the journal it speaks, `evidence` where
cards and calibrations come from. The same data gives the same bytes. Research use only.
"""

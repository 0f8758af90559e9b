"""A study of few slides is made up for by variation; one of many brings its own."""

from alltrain.training import Recipe
from alltrain.variety import MANY_GROUPS, n_groups_of, suited
from tests.train.patch_sets import make_patch_set


def test_few_groups_leave_the_recipe_as_it_is() -> None:
    assert suited(Recipe(), MANY_GROUPS - 1) == Recipe()


def test_many_groups_vary_stain_less_and_show_patches_more_often() -> None:
    few, many = Recipe(), suited(Recipe(), MANY_GROUPS)
    assert many.augmentation.stain < few.augmentation.stain
    assert many.augmentation.tint < few.augmentation.tint
    assert many.least_patches_an_epoch > few.least_patches_an_epoch


def test_what_else_a_person_asked_for_stays() -> None:
    asked = Recipe(epochs=3, seed=7, least_patches_an_epoch=5000)
    many = suited(asked, 1000)
    assert (many.epochs, many.seed, many.least_patches_an_epoch) == (3, 7, 5000)


def test_groups_are_counted_once_each() -> None:
    assert n_groups_of(make_patch_set(n_groups=6)) == 6

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop", "0001_create")]
    operations = [
        migrations.AddField("customer", "city", models.CharField(max_length=100, null=True, default="nowhere")),
        migrations.AlterField("customer", "age", models.CharField(max_length=100, null=True)),
        migrations.RenameField("customer", "name", "label"),
        migrations.RemoveField("customer", "email"),
    ]
